"""Users and tokens: what holds, for how long, and what the database gives away."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spinefrac.access import database, users
from spinefrac.access.policy import LOCAL, Identity, Role
from spinefrac.access.users import Kind
from spinefrac.errors import SignInError, UserError

ANY = tuple(Kind)


def test_a_user_is_added_found_changed_and_removed(home: Path) -> None:
    users.add("Kim@Example.org", Role.VIEWER)
    assert users.find("kim@example.ORG").role is Role.VIEWER
    assert users.set_role("kim@example.org", Role.TRAINER).role is Role.TRAINER
    assert [user.name for user in users.list_users()] == ["kim@example.org"]
    users.remove("kim@example.org")
    assert users.list_users() == ()


@pytest.mark.parametrize("name", ["", "two words", "guest-1", "local", "a\n", "x" * 101])
def test_a_name_that_could_mislead_is_refused(home: Path, name: str) -> None:
    if name == "a\n":
        assert users.clean_name(name) == "a"
        return
    with pytest.raises(UserError, match="expected a name"):
        users.add(name, Role.VIEWER)


def test_a_name_is_given_once(home: Path) -> None:
    users.add("kim", Role.VIEWER)
    with pytest.raises(UserError, match="there is a user kim"):
        users.add("KIM", Role.ADMIN)


def test_guest_is_no_role_of_a_user(home: Path) -> None:
    with pytest.raises(UserError, match="viewer, trainer, admin"):
        users.add("kim", Role.GUEST)


def test_an_invitation_holds_once_and_gives_a_session(home: Path) -> None:
    users.add("kim", Role.TRAINER)
    invitation = users.issue("kim", Kind.INVITATION)
    assert users.check_token(invitation, Kind.SESSION, Kind.REST, Kind.GUEST) is None
    session = users.accept_invitation(invitation)
    assert users.check_token(session, Kind.SESSION) == Identity("kim", Role.TRAINER)
    with pytest.raises(SignInError, match="unknown, used or too old"):
        users.accept_invitation(invitation)


def test_a_new_invitation_takes_the_place_of_the_last(home: Path) -> None:
    users.add("kim", Role.TRAINER)
    first, second = (users.issue("kim", Kind.INVITATION) for _ in range(2))
    with pytest.raises(SignInError):
        users.accept_invitation(first)
    assert users.accept_invitation(second)


@pytest.mark.parametrize("kind", Kind)
def test_a_token_ends(home: Path, kind: Kind) -> None:
    users.add("kim", Role.VIEWER)
    assert users.check_token(users.issue("kim", kind, timedelta(seconds=-1)), *ANY) is None


def test_a_token_is_for_one_thing(home: Path) -> None:
    users.add("kim", Role.VIEWER)
    token = users.issue("kim", Kind.REST)
    assert users.check_token(token, Kind.REST) and not users.check_token(token, Kind.SESSION)


def test_a_new_role_and_a_removal_hold_at_once(home: Path) -> None:
    users.add("ada", Role.ADMIN)
    users.add("kim", Role.ADMIN)
    token = users.issue("kim", Kind.REST)
    users.set_role("kim", Role.VIEWER)
    assert users.check_token(token, Kind.REST).role is Role.VIEWER
    users.remove("kim")
    assert users.check_token(token, Kind.REST) is None


def test_the_only_admin_stays_one(home: Path) -> None:
    users.add("ada", Role.ADMIN)
    users.add("kim", Role.TRAINER)
    for take_away in (lambda: users.remove("ada"), lambda: users.set_role("ADA", Role.VIEWER)):
        with pytest.raises(UserError, match="ada is the only admin"):
            take_away()
        assert users.get("ada").role is Role.ADMIN
    users.set_role("ada", Role.ADMIN)  # takes nothing away
    users.remove("kim")
    users.add("eve", Role.ADMIN)
    users.remove("ada")
    assert [user.name for user in users.list_users()] == ["eve"]


def test_two_admins_who_remove_each_other_at_once_leave_one(home: Path) -> None:
    def remove(name: str) -> bool:
        both.wait()
        try:
            users.remove(name)
        except UserError:
            return False
        return True

    for _ in range(5):
        both = threading.Barrier(2)
        for name in {"ada", "eve"} - {user.name for user in users.list_users()}:
            users.add(name, Role.ADMIN)
        with ThreadPoolExecutor() as pool:
            assert sorted(pool.map(remove, ("ada", "eve"))) == [False, True]


def test_when_somebody_was_last_seen_is_written_now_and_then(home: Path) -> None:
    users.add("kim", Role.VIEWER)
    token = users.issue("kim", Kind.SESSION)
    assert users.get("kim").last_seen_at == ""
    users.check_token(token, Kind.SESSION)
    first = users.get("kim").last_seen_at
    assert datetime.now(UTC) - datetime.fromisoformat(first) < timedelta(minutes=1)
    with database.open_database().write() as connection:
        connection.execute("UPDATE user SET last_seen_at = '2026-01-01T00:00:00+00:00'")
        connection.execute("CREATE TABLE written (at TEXT)")
        connection.execute(
            "CREATE TRIGGER seen AFTER UPDATE OF last_seen_at ON user "
            "BEGIN INSERT INTO written VALUES (NEW.last_seen_at); END"
        )
    for _ in range(3):
        assert users.check_token(token, Kind.SESSION)
    with database.open_database().read() as connection:
        assert len(connection.execute("SELECT * FROM written").fetchall()) == 1


def test_a_guest_has_one_model_and_an_end(home: Path) -> None:
    guest = users.check_token(users.issue_guest("demo", LOCAL), Kind.GUEST)
    assert guest.role is Role.GUEST and guest.model == "demo" and guest.expires_at is not None
    assert users.list_users() == ()


def test_a_revoked_token_holds_no_longer(home: Path) -> None:
    token = users.issue_guest("demo", LOCAL)
    users.revoke(token)
    assert users.check_token(token, Kind.GUEST) is None


def test_the_database_holds_no_token(home: Path) -> None:
    users.add("kim", Role.VIEWER)
    tokens = [users.issue("kim", kind) for kind in Kind]
    content = b"".join(path.read_bytes() for path in home.glob(f"{database.DATABASE_NAME}*"))
    assert b"kim" in content
    assert not any(token.encode() in content for token in tokens)


@pytest.mark.parametrize("token", ["", "x", "é" * 50])
def test_what_is_no_token_is_nobodys(home: Path, token: str) -> None:
    users.add("kim", Role.VIEWER)
    assert users.check_token(token, *ANY) is None


def test_the_link_of_an_invitation(home: Path) -> None:
    link = users.make_invitation_link("https://spine.example/", "abc")
    assert link == "https://spine.example/?invitation=abc"


PASSWORD = "correct horse battery"


@pytest.fixture
def kim(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user with a password, and no wrong one remembered."""
    monkeypatch.setattr(users, "_failures", {})
    users.add("kim", Role.TRAINER)
    users.set_password("kim", PASSWORD)


def test_a_password_gives_a_session(kim: None) -> None:
    token = users.check_password("KIM", PASSWORD)
    assert users.check_token(token, Kind.SESSION) == Identity("kim", Role.TRAINER)


@pytest.mark.parametrize(
    ("name", "password"),
    [("kim", "wrong"), ("kim", ""), ("lee", PASSWORD), ("", ""), ("kim", PASSWORD + "x" * 500)],
)
def test_another_password_or_name_gives_none(kim: None, name: str, password: str) -> None:
    with pytest.raises(SignInError, match="do not belong together"):
        users.check_password(name, password)


def test_without_a_password_none_fits(home: Path) -> None:
    users.add("lee", Role.VIEWER)
    with pytest.raises(SignInError):
        users.check_password("lee", "")


def test_after_some_wrong_passwords_a_name_waits(kim: None, monkeypatch) -> None:
    for _ in range(5):
        with pytest.raises(SignInError, match="belong together"):
            users.check_password("kim", "wrong")
    with pytest.raises(SignInError, match="wait five minutes"):
        users.check_password("kim", PASSWORD)
    monkeypatch.setattr(users, "_FAILURE_MEMORY_S", 0.0)
    assert users.check_password("kim", PASSWORD)


@pytest.mark.parametrize("password", ["short", "x" * 201])
def test_a_password_is_long_but_not_endless(kim: None, password: str) -> None:
    with pytest.raises(UserError, match="12 to 200 characters"):
        users.set_password("kim", password)


def test_of_a_password_only_the_argon2_hash_is_kept(kim: None, home: Path) -> None:
    content = b"".join(path.read_bytes() for path in home.glob(f"{database.DATABASE_NAME}*"))
    assert b"$argon2id$" in content and PASSWORD.encode() not in content
