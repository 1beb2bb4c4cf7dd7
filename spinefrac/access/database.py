"""The SQLite file of users, credentials and the log of actions, in ``SPINEFRAC_HOME``.

No secret is in it: of a token its SHA-256 is kept, of a password its argon2 hash.
"""

from __future__ import annotations

from spinefrac import settings
from spinefrac.errors import UserError
from spinefrac.system import sqlite
from spinefrac.system.sqlite import Problem

DATABASE_NAME = "access.sqlite"
_BUSY_TIMEOUT_S = 5.0

_MIGRATIONS = (
    """
    CREATE TABLE user (
        name TEXT PRIMARY KEY,
        role TEXT NOT NULL,
        created_at TEXT NOT NULL,
        password TEXT NOT NULL DEFAULT ''
    );
    CREATE TABLE credential (
        hash TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        user TEXT REFERENCES user (name) ON DELETE CASCADE,
        model TEXT NOT NULL DEFAULT '',
        issued_by TEXT NOT NULL DEFAULT '',
        created_at TEXT NOT NULL,
        expires_at TEXT NOT NULL
    );
    CREATE INDEX credential_user ON credential (user);
    CREATE TABLE log (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        who TEXT NOT NULL,
        role TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL
    );
    CREATE TRIGGER log_keeps_rows BEFORE DELETE ON log
    BEGIN SELECT RAISE(ABORT, 'the log of actions is only added to'); END;
    CREATE TRIGGER log_keeps_values BEFORE UPDATE ON log
    BEGIN SELECT RAISE(ABORT, 'the log of actions is only added to'); END;
    """,
    "ALTER TABLE user ADD COLUMN last_seen_at TEXT NOT NULL DEFAULT '';",
)


def open_database() -> sqlite.Database:
    """Return the file; it is made when it is first used."""
    return sqlite.Database(
        path=settings.home() / DATABASE_NAME,
        migrations=_MIGRATIONS,
        to_error=_make_error,
        busy_timeout_s=_BUSY_TIMEOUT_S,
        # A removed user or token stays removed after a loss of power, and leaves nothing.
        pragmas={"synchronous": "FULL", "foreign_keys": "ON", "secure_delete": "ON"},
    )


def exists() -> bool:
    """Return whether anything was ever written: no file, no users."""
    return (settings.home() / DATABASE_NAME).exists()


def _make_error(problem: Problem, reason: str) -> UserError:
    messages = {
        Problem.BUSY: f"{DATABASE_NAME} is in use by another program: close that, and try again",
        Problem.FULL: "the disk is full, so nothing was changed: make room, and try again",
        Problem.DAMAGED: f"{DATABASE_NAME} in SPINEFRAC_HOME is damaged: restore it from a backup",
        Problem.NEWER: f"{DATABASE_NAME} has {reason}: update spinefrac",
    }
    return UserError(
        messages.get(problem)
        or f"{DATABASE_NAME} cannot be used ({reason}): make it writable in SPINEFRAC_HOME"
    )
