"""The runs' database, ``HOME/runs/spinefrac.db``: its tables, and how it is opened.

Readers never wait, writers take turns (see `spinefrac.system.sqlite`). Times are
seconds since 1970; ``datetime(time, 'unixepoch')`` shows them. docs/runs.md says what the tables
mean for people who read them with ``sqlite3``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from spinefrac import settings
from spinefrac.errors import RunError
from spinefrac.system import sqlite
from spinefrac.system.sqlite import Problem

DATABASE_FILE = "spinefrac.db"
#: How long a writer waits for another one.
BUSY_TIMEOUT_S = 10.0

#: One script a version of the schema, see `spinefrac.system.sqlite`.
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
    """
    ALTER TABLE attempts ADD COLUMN oom_kills INTEGER;
    """,
)


def database_path() -> Path:
    """Return the path of the database."""
    return settings.runs_dir() / DATABASE_FILE


@contextmanager
def read_transaction() -> Iterator[sqlite3.Connection]:
    """Open the database to read one consistent state of it.

    Raises
    ------
    RunError
        It cannot be read, or is of a newer version of spinefrac.
    """
    with _database(BUSY_TIMEOUT_S).read() as connection:
        yield connection


@contextmanager
def write_transaction(busy_timeout_s: float = BUSY_TIMEOUT_S) -> Iterator[sqlite3.Connection]:
    """Open the database as its only writer; everything is committed at the end, or nothing.

    Parameters
    ----------
    busy_timeout_s : float
        How long to wait for another writer.

    Raises
    ------
    RunError
        Another process has locked it, the disk is full, or it cannot be written.
    """
    with _database(busy_timeout_s).write() as connection:
        yield connection


def _database(busy_timeout_s: float) -> sqlite.Database:
    return sqlite.Database(
        database_path(), MIGRATIONS, partial(_make_error, busy_timeout_s), busy_timeout_s
    )


def _make_error(busy_timeout_s: float, problem: Problem, reason: str) -> RunError:
    """Return the error for a problem of the database, with what to do."""
    if problem is Problem.BUSY:
        return RunError(
            f"The runs' database has been locked by another program for {busy_timeout_s:g} s: "
            f"close the program that has {DATABASE_FILE} in HOME/runs open for writing, and try "
            "again"
        )
    if problem is Problem.FULL:
        return RunError(
            "The disk of HOME/runs is full, so nothing can be recorded there: make room and try "
            "again"
        )
    if problem is Problem.NOT_WRITABLE:
        return RunError(
            f"The runs' database cannot be opened for writing ({reason}): permit writing in "
            "HOME/runs, or set SPINEFRAC_HOME to a folder where you may write"
        )
    if problem is Problem.NEWER:
        return RunError(
            f"The runs' database has {reason}: update spinefrac, or set SPINEFRAC_HOME to another "
            "folder"
        )
    return RunError(
        f"The runs' database cannot be used ({reason}): move {DATABASE_FILE} out of HOME/runs to "
        "start anew; saved models are not in it"
    )
