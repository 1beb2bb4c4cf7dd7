"""The runs' database, ``HOME/runs/spinefrac.db``: its tables, and how it is opened.

SQLite in WAL mode: readers never wait, writers take turns (``BEGIN IMMEDIATE``). Times are
seconds since 1970; ``datetime(time, 'unixepoch')`` shows them. docs/runs.md says what the tables
mean for people who look with ``sqlite3``.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spinefrac import settings
from spinefrac.errors import RunError

DATABASE_FILE = "spinefrac.db"
#: How long a writer waits for another one.
BUSY_TIMEOUT_S = 10.0
#: SQLite maps its files in pieces of 32 KB; with less room than that it says "I/O error".
_MIN_FREE_BYTES = 2**17

#: One script a version of the schema; `PRAGMA user_version` counts those that have been applied.
MIGRATIONS = (
    """
    CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('queued','running','done','failed','cancelled')),
        stage TEXT NOT NULL DEFAULT '',
        folder TEXT NOT NULL,
        config TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        images INTEGER NOT NULL,
        groups_found INTEGER NOT NULL,
        versions TEXT NOT NULL,
        parent TEXT,
        submitted REAL NOT NULL,
        queued REAL NOT NULL,
        started REAL,
        ended REAL,
        cancel INTEGER NOT NULL DEFAULT 0,
        model TEXT,
        result TEXT,
        error TEXT
    );
    CREATE TABLE attempts (
        run TEXT NOT NULL REFERENCES runs (id),
        number INTEGER NOT NULL,
        pid INTEGER NOT NULL,
        process_started REAL,
        host TEXT NOT NULL,
        started REAL NOT NULL,
        heartbeat REAL NOT NULL,
        ended REAL,
        outcome TEXT,
        PRIMARY KEY (run, number)
    );
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        time REAL NOT NULL,
        run TEXT NOT NULL REFERENCES runs (id),
        attempt INTEGER,
        kind TEXT NOT NULL,
        fold INTEGER,
        epoch INTEGER,
        batch_rate REAL,
        loss REAL,
        val_loss REAL,
        val_auc REAL,
        learning_rate REAL,
        seconds REAL,
        message TEXT
    );
    CREATE INDEX events_of_run ON events (run, kind, id);
    CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
        BEGIN SELECT RAISE (ABORT, 'events are only ever added'); END;
    CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
        BEGIN SELECT RAISE (ABORT, 'events are only ever added'); END;
    CREATE TABLE folds (
        run TEXT NOT NULL REFERENCES runs (id),
        fold INTEGER NOT NULL,
        state TEXT NOT NULL,
        epoch INTEGER NOT NULL DEFAULT 0,
        batch INTEGER NOT NULL DEFAULT 0,
        batches INTEGER NOT NULL DEFAULT 0,
        batch_rate REAL,
        worker TEXT,
        updated REAL NOT NULL,
        PRIMARY KEY (run, fold)
    );
    CREATE TABLE workers (
        run TEXT NOT NULL REFERENCES runs (id),
        name TEXT NOT NULL,
        host TEXT NOT NULL,
        state TEXT NOT NULL,
        fold INTEGER,
        pid INTEGER,
        updated REAL NOT NULL,
        PRIMARY KEY (run, name)
    );
    CREATE TABLE lease (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        token TEXT NOT NULL,
        pid INTEGER NOT NULL,
        process_started REAL,
        host TEXT NOT NULL,
        heartbeat REAL NOT NULL
    );
    CREATE TABLE rates (
        time REAL NOT NULL,
        host TEXT NOT NULL,
        network TEXT NOT NULL,
        size INTEGER NOT NULL,
        batch_size INTEGER NOT NULL,
        threads INTEGER NOT NULL,
        folds_at_once INTEGER NOT NULL,
        images_per_second REAL NOT NULL
    );
    """,
    """
    ALTER TABLE runs ADD COLUMN error_kind TEXT;
    """,
    """
    ALTER TABLE rates ADD COLUMN overhead REAL;
    """,
)


def database_path() -> Path:
    """Return where the database lies."""
    return settings.runs_dir() / DATABASE_FILE


@contextmanager
def read_transaction() -> Iterator[sqlite3.Connection]:
    """Open the database to read one consistent state of it.

    Raises
    ------
    RunError
        It cannot be read, or is of a newer version of spinefrac.
    """
    with _connect(BUSY_TIMEOUT_S) as connection:
        connection.execute("BEGIN")
        yield connection


@contextmanager
def write_transaction(busy_timeout_s: float = BUSY_TIMEOUT_S) -> Iterator[sqlite3.Connection]:
    """Open the database as its only writer; all is kept at the end, or nothing.

    Parameters
    ----------
    busy_timeout_s : float
        How long to wait for another writer.

    Raises
    ------
    RunError
        Another process keeps it, the disk is full, or it cannot be written.
    """
    with _connect(busy_timeout_s) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.commit()


@contextmanager
def _connect(busy_timeout_s: float) -> Iterator[sqlite3.Connection]:
    try:
        database_path().parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(database_path(), timeout=busy_timeout_s, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise _translate_error(error, busy_timeout_s) from error
    try:
        connection.row_factory = sqlite3.Row
        _migrate(connection)
        yield connection
    except sqlite3.Error as error:
        raise _translate_error(error, busy_timeout_s) from error
    finally:
        connection.close()  # what was not committed is rolled back


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema to this version, in one transaction."""
    version = _get_schema_version(connection)
    if version > len(MIGRATIONS):
        raise RunError(
            f"The runs' database has version {version} and this spinefrac knows {len(MIGRATIONS)}: "
            "update spinefrac, or set SPINEFRAC_HOME to another folder"
        )
    if version == len(MIGRATIONS):
        return
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    for script in MIGRATIONS[
        _get_schema_version(connection) :
    ]:  # another process may have been faster
        for statement in _split_statements(script):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    connection.commit()


def _get_schema_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _split_statements(script: str) -> Iterator[str]:
    """Split a script; `executescript` would commit between its statements."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _is_disk_full(reason: str) -> bool:
    """Whether an error of reading or writing, as SQLite calls it, comes from a full disk."""
    if "disk I/O" not in reason:
        return False
    return shutil.disk_usage(database_path().parent).free < _MIN_FREE_BYTES


def _translate_error(error: OSError | sqlite3.Error, busy_timeout_s: float) -> RunError:
    """Say what the database's error means, and what to do."""
    reason = str(error)
    if "locked" in reason or "busy" in reason:
        return RunError(
            f"The runs' database has been kept by another program for {busy_timeout_s:g} s: close what "
            f"has {DATABASE_FILE} in HOME/runs open for writing, and try again"
        )
    if "full" in reason or getattr(error, "errno", None) == errno.ENOSPC or _is_disk_full(reason):
        return RunError(
            "The disk of HOME/runs is full, so nothing can be noted there: make room and try again"
        )
    if "readonly" in reason or "unable to open" in reason or isinstance(error, OSError):
        return RunError(
            f"The runs' database cannot be opened for writing ({reason}): permit writing in "
            "HOME/runs, or set SPINEFRAC_HOME to a folder where you may write"
        )
    return RunError(
        f"The runs' database cannot be used ({reason}): move {DATABASE_FILE} out of HOME/runs to start "
        "anew; saved models are not in it"
    )
