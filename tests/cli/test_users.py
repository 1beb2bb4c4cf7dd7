"""`spinefrac users` as an admin sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spinefrac.access import audit_log, users
from spinefrac.access.policy import LOCAL, Action, Identity, Role
from spinefrac.access.users import Kind
from spinefrac.cli import main


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["users", *arguments]) == 0
    return capsys.readouterr().out.strip()


def test_a_user_is_added_with_a_link_that_holds(capsys) -> None:
    link = run(capsys, "add", "kim", "--role", "trainer", "--url", "https://spine.example")
    address, token = link.split("/?invitation=")
    assert address == "https://spine.example"
    session = users.accept_invitation(token)
    assert users.check_token(session, Kind.SESSION) == Identity("kim", Role.TRAINER)


def test_a_new_link_is_printed_for_a_user(capsys) -> None:
    run(capsys, "add", "kim")
    answer = json.loads(run(capsys, "invite", "kim", "--json"))
    assert answer["role"] == "viewer" and users.accept_invitation(answer["link"].split("=")[1])


def test_users_are_listed_changed_and_removed(capsys) -> None:
    assert "no users" in run(capsys, "list")
    run(capsys, "add", "kim")
    assert run(capsys, "role", "kim", "trainer") == "kim is trainer"
    listed = json.loads(run(capsys, "list", "--json"))[0]
    assert listed["role"] == "trainer" and listed["last_seen_at"] == ""
    assert "kim" in run(capsys, "list")
    assert run(capsys, "remove", "kim") == "kim removed"
    assert json.loads(run(capsys, "list", "--json")) == []
    logged = [(one["action"], one["subject"]) for one in json.loads(run(capsys, "log", "--json"))]
    assert logged[::-1] == [
        ("add-user", "kim as viewer"), ("invite-user", "kim"), ("change-role", "kim as trainer"),
        ("remove-user", "kim"),
    ]  # fmt: skip


@pytest.mark.parametrize("arguments", [["remove", "ada"], ["role", "ada", "viewer"]])
def test_the_last_admin_stays_until_the_machine_itself_makes_another(
    capsys, arguments: list[str]
) -> None:
    run(capsys, "add", "ada", "--role", "admin")
    assert main(["users", *arguments]) == 1
    assert "ada is the only admin" in capsys.readouterr().err
    run(capsys, "add", "eve", "--role", "admin")
    run(capsys, *arguments)
    assert [user.name for user in users.list_users() if user.role is Role.ADMIN] == ["eve"]


def test_a_token_for_rest_is_printed_once(capsys) -> None:
    run(capsys, "add", "kim")
    token = run(capsys, "token", "kim", "--days", "3")
    assert users.check_token(token, Kind.REST) == Identity("kim", Role.VIEWER)
    assert json.loads(run(capsys, "token", "kim", "--json"))["days"] == 90


def test_the_log_is_shown_and_exported(capsys, home: Path) -> None:
    assert run(capsys, "log") == "Nothing is logged yet."
    audit_log.record(LOCAL, Action.IMPORT_MODEL, "demo")
    assert "import-model" in run(capsys, "log")
    run(capsys, "log", "--out", str(home / "log.json"))
    assert json.loads((home / "log.json").read_text())[0]["subject"] == "demo"
    assert json.loads(run(capsys, "log", "--json"))[0]["who"] == "local"
    run(capsys, "log", "--out", str(home / "log.csv"))
    assert (home / "log.csv").read_text().startswith("id,at,who,role,action,subject\n1,")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["remove", "lee"], "no user of that name"), (["role", "lee", "viewer"], "no user")],
)
def test_an_unknown_user_is_one_line(capsys, arguments: list[str], words: str) -> None:
    assert main(["users", *arguments]) == 1
    assert words in capsys.readouterr().err


def test_guest_is_no_choice(capsys) -> None:
    assert main(["users", "add", "kim", "--role", "guest"]) == 2
