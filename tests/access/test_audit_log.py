"""The log of actions: added to, never changed."""

import json
from datetime import date
from pathlib import Path

import pytest

from spinefrac.access import audit_log, database
from spinefrac.access.audit_log import Event, LogFilter
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


def write(home: Path, day: int, who: str, action: str) -> None:
    with database.open_database().write() as connection:
        connection.execute(
            "INSERT INTO log (at, who, role, action, subject) VALUES (?, ?, 'viewer', ?, '')",
            (f"2026-03-{day:02}T23:59:59.999+00:00", who, action),
        )


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (LogFilter(), [4, 3, 2, 1]),
        (LogFilter(who="kim"), [3, 1]),
        (LogFilter(action="sign-in"), [2, 1]),
        (LogFilter(who="kim", action="sign-in"), [1]),
        (LogFilter(who="' OR 1 --"), []),
        (LogFilter(first=date(2026, 3, 2)), [4, 3, 2]),
        (LogFilter(last=date(2026, 3, 2)), [2, 1]),
        (LogFilter(first=date(2026, 3, 2), last=date(2026, 3, 3)), [3, 2]),
    ],
)
def test_lines_are_chosen_by_person_action_and_day(
    home: Path, wanted: LogFilter, found: list[int]
) -> None:
    assert audit_log.list_entries(None, wanted) == () and audit_log.count_entries(wanted) == 0
    for day, who, action in [
        (1, "kim", Event.SIGN_IN), (2, "lee", Event.SIGN_IN),
        (3, "kim", Action.DELETE_MODEL), (4, "lee", Event.SIGN_OUT),
    ]:  # fmt: skip
        write(home, day, who, action)
    assert [entry.id for entry in audit_log.list_entries(None, wanted)] == found
    assert audit_log.count_entries(wanted) == len(found)
    people, actions = audit_log.list_people_and_actions()
    assert people == ("kim", "lee") and actions == ("delete-model", "sign-in", "sign-out")


def test_a_table_of_the_log_is_safe_for_spreadsheets(home: Path) -> None:
    audit_log.record(Identity("=cmd()", Role.VIEWER), Event.SIGN_IN)
    titles, line, _ = audit_log.to_csv(audit_log.list_entries()).split("\n")
    assert titles == "id,at,who,role,action,subject"
    assert line.endswith(",'=cmd(),viewer,sign-in,")
