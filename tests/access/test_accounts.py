"""What an admin does with users: for admins only, and in the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from spinefrac.access import accounts, audit_log, users
from spinefrac.access.policy import LOCAL, Identity, Role
from spinefrac.access.users import Kind
from spinefrac.errors import AccessError, SignInError, UserError

ADA = Identity("ada", Role.ADMIN)
CALLS = {
    "list": lambda who: accounts.list_accounts(who),
    "add": lambda who: accounts.add(who, "lee", Role.VIEWER),
    "invite": lambda who: accounts.invite(who, "kim"),
    "role": lambda who: accounts.set_role(who, "kim", Role.ADMIN),
    "end": lambda who: accounts.end_sessions(who, "kim"),
    "remove": lambda who: accounts.remove(who, "kim"),
}


@pytest.fixture
def team(home: Path) -> None:
    users.add("ada", Role.ADMIN)
    users.add("kim", Role.TRAINER)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("role", [None, Role.GUEST, Role.VIEWER, Role.TRAINER])
def test_only_an_admin_may(team: None, role: Role | None, call: str) -> None:
    before = accounts.list_accounts(ADA)
    with pytest.raises(SignInError if role is None else AccessError):
        CALLS[call](role and Identity("tom", role))
    assert accounts.list_accounts(ADA) == before and audit_log.list_entries() == ()


def test_what_an_admin_does_is_logged(team: None) -> None:
    for call in CALLS.values():
        call(ADA)
    lines = [(entry.who, entry.action, entry.subject) for entry in audit_log.list_entries()]
    assert lines[::-1] == [
        ("ada", "add-user", "lee as viewer"),
        ("ada", "invite-user", "kim"),
        ("ada", "change-role", "kim as admin"),
        ("ada", "end-sessions", "kim"),
        ("ada", "remove-user", "kim"),
    ]


def test_what_is_refused_is_not_logged(team: None) -> None:
    with pytest.raises(UserError, match="only admin"):
        accounts.remove(ADA, "ada")
    with pytest.raises(UserError, match="no user of that name"):
        accounts.end_sessions(LOCAL, "lee")
    assert audit_log.list_entries() == ()


def test_an_account_counts_what_holds_and_its_sessions_end(team: None) -> None:
    session = users.accept_invitation(accounts.invite(ADA, "kim"))
    rest = users.issue("kim", Kind.REST)
    accounts.invite(ADA, "kim")
    users.issue_guest("demo", ADA)
    ada, kim = accounts.list_accounts(ADA)
    assert (kim.sessions, kim.rest_tokens, kim.invited_until > kim.user.created_at) == (1, 1, True)
    assert (ada.sessions, ada.rest_tokens, ada.invited_until) == (0, 0, "")
    accounts.end_sessions(ADA, "kim")
    assert users.check_token(session, Kind.SESSION) is users.check_token(rest, Kind.REST) is None
    _, kim = accounts.list_accounts(ADA)
    assert (kim.sessions, kim.rest_tokens, kim.invited_until) == (0, 0, "")


def test_without_users_there_are_no_accounts(home: Path) -> None:
    assert accounts.list_accounts(LOCAL) == ()
