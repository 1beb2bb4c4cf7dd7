"""Users, and the tokens by which they are known: invitations, sessions, REST, guests.

A token is 32 random bytes, so its SHA-256 cannot be turned back or guessed, and a search for the
hash tells nothing by its duration. A password is weaker: of it the argon2 hash is kept. So whoever
reads the database cannot sign in with what it holds.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import secrets
import sqlite3
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from spinefrac.access import database
from spinefrac.access.policy import Identity, Role
from spinefrac.errors import SignInError, UserError

#: Characters of a name: of a person, or the address that a sign-in provider gives.
MAX_NAME_LENGTH = 100
#: Roles that a user can have; guests have a link and no name.
USER_ROLES = (Role.VIEWER, Role.TRAINER, Role.ADMIN)
GUEST_PREFIX = "guest-"
#: Names the token of an invitation in an address.
INVITATION_PARAMETER = "invitation"
#: The cookie of a browser that signed in, where the server sets one.
COOKIE = "spinefrac_session"
#: Names the token of a guest in an address.
GUEST_PARAMETER = "guest"
_TOKEN_BYTES = 32
MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 12, 200
_NO_MATCH = "name and password do not belong together: try again, or ask an admin for an invitation"
#: Wrong passwords of one name, and names with wrong passwords, within `_FAILURE_MEMORY_S`.
_MAX_FAILURES, _MAX_FAILING_NAMES, _FAILURE_MEMORY_S = 5, 1000, 300.0
_failures: dict[str, list[float]] = {}
_failures_lock = threading.Lock()
#: At most so often it is written down that somebody was here.
_SEEN_STEP = timedelta(minutes=5)


class Kind(StrEnum):
    """What a token is for."""

    INVITATION = "invitation"
    SESSION = "session"
    REST = "rest"
    GUEST = "guest"
    #: Shows one prediction; who opens it is signed in.
    SHARED = "shared"


#: How long a token of each kind lasts, unless something else is asked for.
LIFETIMES = {
    Kind.INVITATION: timedelta(days=7),
    Kind.SESSION: timedelta(hours=12),
    Kind.REST: timedelta(days=90),
    Kind.GUEST: timedelta(days=1),
    Kind.SHARED: timedelta(days=30),
}


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in.

    Attributes
    ----------
    name : str
    role : Role
    created_at : str
        UTC, ISO 8601.
    last_seen_at : str
        The same, some minutes late; empty where the person was never here.
    """

    name: str
    role: Role
    created_at: str
    last_seen_at: str = ""


def add(name: str, role: Role) -> User:
    """Add a user.

    Parameters
    ----------
    name : str
        As the sign-in provider or proxy gives it, or any; upper and lower case are the same.
    role : Role
        One of `USER_ROLES`.

    Raises
    ------
    UserError
        There is one of that name, or the name or the role is not valid.
    """
    user = User(clean_name(name), _check_role(role), _utc_now().isoformat(timespec="seconds"))
    with database.open_database().write() as connection:
        taken = connection.execute("SELECT 1 FROM user WHERE name = ?", (user.name,)).fetchone()
        if taken:
            raise UserError(f"there is a user {user.name}: choose another name")
        connection.execute(
            "INSERT INTO user (name, role, created_at) VALUES (?, ?, ?)",
            (user.name, str(user.role), user.created_at),
        )
    return user


def list_users() -> tuple[User, ...]:
    """Return all users by name."""
    if not database.exists():
        return ()
    with database.open_database().read() as connection:
        rows = connection.execute(
            "SELECT name, role, created_at, last_seen_at FROM user ORDER BY name"
        )
        return tuple(
            User(row["name"], Role(row["role"]), row["created_at"], row["last_seen_at"])
            for row in rows
        )


def find(name: str) -> User | None:
    """Return the user of a name; None where there is none."""
    wanted = name.strip().lower()
    return next((user for user in list_users() if user.name == wanted), None)


def get(name: str) -> User:
    """Return the user of a name.

    Raises
    ------
    UserError
        There is none.
    """
    user = find(name)
    if user is None:
        others = ", ".join(user.name for user in list_users()) or "none"
        raise UserError(f"there is no user of that name (users: {others}): choose one of these")
    return user


def set_role(name: str, role: Role) -> User:
    """Give a user another role; it holds from the next thing that the person does.

    Raises
    ------
    UserError
        There is no such user, the role is not valid, or no admin would be left.
    """
    user, wanted = get(name), _check_role(role)
    with database.open_database().write() as connection:
        if wanted is not Role.ADMIN:
            _require_another_admin(connection, user.name)
        connection.execute("UPDATE user SET role = ? WHERE name = ?", (str(wanted), user.name))
    return get(name)


def remove(name: str) -> None:
    """Remove a user with all tokens; what belonged to the person stays.

    Raises
    ------
    UserError
        There is no such user, or no admin would be left.
    """
    user = get(name)
    with database.open_database().write() as connection:
        _require_another_admin(connection, user.name)
        connection.execute("DELETE FROM user WHERE name = ?", (user.name,))


def _require_another_admin(connection: sqlite3.Connection, name: str) -> None:
    """Refuse to go on where `name` is the only admin; within the transaction that takes it away."""
    admins = connection.execute("SELECT name FROM user WHERE role = ?", (str(Role.ADMIN),))
    if [row["name"] for row in admins] == [name]:
        raise UserError(
            f"{name} is the only admin, and without one nobody could invite or remove people: make "
            "somebody else an admin first (spinefrac users role NAME admin)"
        )


def note_seen(name: str, last_seen_at: str) -> None:
    """Write down that a user is here, unless `last_seen_at` is a few minutes ago."""
    now = _utc_now()
    if last_seen_at > (now - _SEEN_STEP).isoformat():
        return
    # A full disk keeps nobody out.
    with contextlib.suppress(UserError), database.open_database().write() as connection:
        connection.execute(
            "UPDATE user SET last_seen_at = ? WHERE name = ?",
            (now.isoformat(timespec="seconds"), name),
        )


def issue(name: str, kind: Kind, lifetime: timedelta | None = None) -> str:
    """Make a token for a user and return it; it cannot be shown again.

    Raises
    ------
    UserError
        There is no such user.
    """
    user = get(name)
    if kind is Kind.INVITATION:  # a new link takes the place of the last
        with database.open_database().write() as connection:
            connection.execute(
                "DELETE FROM credential WHERE user = ? AND kind = ?", (user.name, str(kind))
            )
    return _save_token(kind, lifetime, user=user.name)


def issue_guest(model: str, issued_by: Identity, lifetime: timedelta | None = None) -> str:
    """Make a token with which anybody may predict with one model, until it ends."""
    return _save_token(Kind.GUEST, lifetime, model=model, issued_by=issued_by.name)


def share_prediction(entry_id: int, issued_by: Identity) -> str:
    """Make a token that shows a prediction of the history to whoever may see shared ones."""
    return _save_token(Kind.SHARED, None, model=str(entry_id), issued_by=issued_by.name)


def find_shared_prediction(token: str) -> int | None:
    """Return which prediction a token shows; None where it does not hold."""
    if not token or not database.exists():
        return None
    with database.open_database().read() as connection:
        row = connection.execute(
            "SELECT model FROM credential WHERE hash = ? AND kind = ? AND expires_at > ?",
            (_hash(token), str(Kind.SHARED), _utc_now().isoformat()),
        ).fetchone()
    return int(row["model"]) if row else None


def accept_invitation(token: str) -> str:
    """Turn an invitation, which holds once, into a token for a session.

    Raises
    ------
    SignInError
        It is unknown, used or too old.
    """
    with database.open_database().write() as connection:
        row = connection.execute(
            "DELETE FROM credential WHERE hash = ? AND kind = ? AND expires_at > ? RETURNING user",
            (_hash(token), str(Kind.INVITATION), _utc_now().isoformat()),
        ).fetchone()
    if row is None:
        raise SignInError(
            "the invitation is unknown, used or too old: ask an admin for a new one "
            "(spinefrac users invite NAME)"
        )
    return issue(row["user"], Kind.SESSION)


def make_invitation_link(url: str, token: str) -> str:
    """Return the address that an invited person opens; `url` is that of the app."""
    return f"{url.rstrip('/')}/?{INVITATION_PARAMETER}={token}"


def check_token(token: str, *kinds: Kind) -> Identity | None:
    """Return who holds a token of one of the kinds, and note that the user was here.

    None where it does not hold.

    Raises
    ------
    UserError
        The database cannot be read.
    """
    if not token or not database.exists():
        return None
    with database.open_database().read() as connection:
        row = connection.execute(
            "SELECT hash, kind, credential.user, model, expires_at, role, last_seen_at "
            "FROM credential LEFT JOIN user ON user.name = credential.user "
            "WHERE hash = ? AND expires_at > ?",
            (_hash(token), _utc_now().isoformat()),
        ).fetchone()
    if row is None or row["kind"] not in kinds:
        return None
    if row["kind"] == Kind.GUEST:
        return Identity(
            name=f"{GUEST_PREFIX}{row['hash'][:8]}",
            role=Role.GUEST,
            model=row["model"],
            expires_at=datetime.fromisoformat(row["expires_at"]),
        )
    note_seen(row["user"], row["last_seen_at"])
    return Identity(row["user"], Role(row["role"]))


def revoke(token: str) -> None:
    """End a token; nothing happens where there is none."""
    with database.open_database().write() as connection:
        connection.execute("DELETE FROM credential WHERE hash = ?", (_hash(token),))


def revoke_all(name: str) -> None:
    """End all tokens of a user.

    Raises
    ------
    UserError
        There is no such user.
    """
    user = get(name)
    with database.open_database().write() as connection:
        connection.execute("DELETE FROM credential WHERE user = ?", (user.name,))


def set_password(name: str, password: str) -> None:
    """Set a user's password.

    Raises
    ------
    UserError
        There is no such user, or the password is too short or too long.
    """
    user = get(name)
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise UserError(
            f"expected a password of {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters, "
            f"got {len(password)}: choose another one"
        )
    hashed = PasswordHasher().hash(password)
    with database.open_database().write() as connection:
        connection.execute("UPDATE user SET password = ? WHERE name = ?", (hashed, user.name))


def check_password(name: str, password: str) -> str:
    """Return a token for a session of the user who knows the password.

    An unknown name takes as long as a wrong password. After some wrong passwords a name waits.

    Raises
    ------
    SignInError
        Name and password do not belong together, or there were too many wrong ones.
    """
    wanted = name.strip().lower()[:MAX_NAME_LENGTH]
    with _failures_lock:  # one at a time: a hash takes 64 MB
        _require_few_failures(wanted)
        if not database.exists():
            raise SignInError(_NO_MATCH)
        with database.open_database().read() as connection:
            row = connection.execute(
                "SELECT name, password FROM user WHERE name = ?", (wanted,)
            ).fetchone()
        hashed = (row and row["password"]) or _unknown_hash()
        try:
            PasswordHasher().verify(hashed, password[: MAX_PASSWORD_LENGTH + 1])
        except VerificationError as error:
            _failures.setdefault(wanted, []).append(time.monotonic())
            raise SignInError(_NO_MATCH) from error
        _failures.pop(wanted, None)
    return issue(wanted, Kind.SESSION)


def _require_few_failures(name: str) -> None:
    now = time.monotonic()
    for known in list(_failures):  # names of strangers are not kept for ever
        recent = [at for at in _failures[known] if now - at < _FAILURE_MEMORY_S]
        if recent:
            _failures[known] = recent
        else:
            del _failures[known]
    if len(_failures.get(name, ())) >= _MAX_FAILURES or len(_failures) > _MAX_FAILING_NAMES:
        raise SignInError(
            "too many wrong passwords: wait five minutes, or ask an admin for an invitation"
        )


@functools.cache
def _unknown_hash() -> str:
    """Return the hash of a password that nobody knows."""
    return PasswordHasher().hash(secrets.token_urlsafe(_TOKEN_BYTES))


def clean_name(name: str) -> str:
    """Return a name as it is kept.

    Raises
    ------
    UserError
        It is empty, too long, holds white space or control characters, or looks like a guest.
    """
    cleaned = name.strip().lower()
    fits = 0 < len(cleaned) <= MAX_NAME_LENGTH and cleaned.isprintable() and " " not in cleaned
    if not fits or cleaned.startswith(GUEST_PREFIX) or cleaned == "local":
        raise UserError(
            f"expected a name of 1 to {MAX_NAME_LENGTH} characters without spaces, other than "
            f"'local' and not beginning with '{GUEST_PREFIX}': choose another one"
        )
    return cleaned


def _check_role(role: Role) -> Role:
    if role not in USER_ROLES:
        raise UserError(f"expected one of {', '.join(USER_ROLES)}, got {role}: choose one")
    return role


def _save_token(
    kind: Kind,
    lifetime: timedelta | None,
    *,
    user: str | None = None,
    model: str = "",
    issued_by: str = "",
) -> str:
    token, now = secrets.token_urlsafe(_TOKEN_BYTES), _utc_now()
    expires_at = now + (LIFETIMES[kind] if lifetime is None else lifetime)
    with database.open_database().write() as connection:
        connection.execute("DELETE FROM credential WHERE expires_at <= ?", (now.isoformat(),))
        connection.execute(
            "INSERT INTO credential VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                _hash(token),
                str(kind),
                user,
                model,
                issued_by,
                now.isoformat(),
                expires_at.isoformat(),
            ),
        )
    return token


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _utc_now() -> datetime:
    return datetime.now(UTC)
