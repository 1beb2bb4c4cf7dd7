"""What an admin does with users: sees, adds, invites, changes and removes them; all is logged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from spinefrac.access import audit_log, database, policy, users
from spinefrac.access.audit_log import Event
from spinefrac.access.policy import Action, Identity, Role
from spinefrac.access.users import Kind, User


@dataclass(frozen=True, slots=True)
class Account:
    """A user, and the tokens that hold.

    Attributes
    ----------
    user : User
    sessions, rest_tokens : int
        Browsers that are signed in by this server, and tokens for REST. Who is signed in by a
        provider or proxy has no session here.
    invited_until : str
        Until when the open invitation holds, UTC, ISO 8601; empty where there is none.
    """

    user: User
    sessions: int
    rest_tokens: int
    invited_until: str


def list_accounts(identity: Identity | None) -> tuple[Account, ...]:
    """Return all users by name, with their tokens.

    Raises
    ------
    AccessError
        The person may not manage users.
    UserError
        The users cannot be read.
    """
    policy.require(identity, Action.MANAGE_USERS)
    if not database.exists():
        return ()
    with database.open_database().read() as connection:
        rows = connection.execute(
            "SELECT user, kind, count(*) AS number, max(expires_at) AS until FROM credential "
            "WHERE user IS NOT NULL AND expires_at > ? GROUP BY user, kind",
            (datetime.now(UTC).isoformat(),),
        ).fetchall()
    held = {(row["user"], row["kind"]): row for row in rows}

    def count(user: User, kind: Kind) -> int:
        row = held.get((user.name, kind))
        return row["number"] if row else 0

    def find_end(user: User) -> str:
        row = held.get((user.name, Kind.INVITATION))
        return row["until"] if row else ""

    return tuple(
        Account(user, count(user, Kind.SESSION), count(user, Kind.REST), find_end(user))
        for user in users.list_users()
    )


def add(identity: Identity | None, name: str, role: Role) -> User:
    """Add a user; errors as of `list_accounts` and `users.add`."""
    admin = policy.require(identity, Action.MANAGE_USERS)
    user = users.add(name, role)
    audit_log.record(admin, Event.ADD_USER, _describe(user))
    return user


def invite(identity: Identity | None, name: str) -> str:
    """Return the token of an invitation, which takes the place of the last one.

    Raises
    ------
    AccessError
        The person may not manage users.
    UserError
        There is no such user.
    """
    admin = policy.require(identity, Action.MANAGE_USERS)
    token = users.issue(name, Kind.INVITATION)
    audit_log.record(admin, Event.INVITE_USER, users.get(name).name)
    return token


def set_role(identity: Identity | None, name: str, role: Role) -> User:
    """Give a user another role; errors as of `list_accounts` and `users.set_role`."""
    admin = policy.require(identity, Action.MANAGE_USERS)
    user = users.set_role(name, role)
    audit_log.record(admin, Event.CHANGE_ROLE, _describe(user))
    return user


def end_sessions(identity: Identity | None, name: str) -> None:
    """End all sessions, tokens for REST and the invitation of a user, who stays.

    Raises
    ------
    AccessError
        The person may not manage users.
    UserError
        There is no such user.
    """
    admin = policy.require(identity, Action.MANAGE_USERS)
    users.revoke_all(name)
    audit_log.record(admin, Event.END_SESSIONS, users.get(name).name)


def remove(identity: Identity | None, name: str) -> None:
    """Remove a user with all tokens; errors as of `list_accounts` and `users.remove`."""
    admin = policy.require(identity, Action.MANAGE_USERS)
    user = users.get(name)
    users.remove(user.name)
    audit_log.record(admin, Event.REMOVE_USER, user.name)


def _describe(user: User) -> str:
    return f"{user.name} as {user.role}"
