"""The log of actions: added to, never changed."""

import json
from pathlib import Path

import pytest

from spinefrac.access import audit_log, database
from spinefrac.access.policy import LOCAL, Action, Identity, Role
from spinefrac.errors import UserError


def test_lines_come_back_last_first(home: Path) -> None:
    audit_log.record(LOCAL, Action.IMPORT_MODEL, "first")
    audit_log.record(Identity("kim", Role.TRAINER), Action.DELETE_MODEL, "second")
    last, first = audit_log.list_entries()
    assert (last.who, last.role, last.action, last.subject) == (
        "kim", "trainer", "delete-model", "second",
    )  # fmt: skip
    assert first.id == 1 and first.at < last.at
    assert audit_log.list_entries(1) == (last,)
    assert json.loads(audit_log.to_json([first]))[0]["subject"] == "first"


def test_without_anything_done_it_is_empty_and_nothing_is_made(home: Path) -> None:
    assert audit_log.list_entries() == () and not database.exists()


@pytest.mark.parametrize("change", ["DELETE FROM log", "UPDATE log SET who = 'somebody else'"])
def test_a_line_stays_as_it_is(home: Path, change: str) -> None:
    audit_log.record(LOCAL, Action.IMPORT_MODEL, "model")
    with (
        pytest.raises(UserError, match="only added to"),
        database.open_database().write() as connection,
    ):
        connection.execute(change)
    assert audit_log.list_entries()[0].who == "local"
