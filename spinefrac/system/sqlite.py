"""SQLite files that several processes use: connections, schema migrations, kinds of errors.

They are in WAL mode: readers never wait, writers take turns, and a killed writer leaves nothing
half done.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from spinefrac.system import private_files

#: SQLite maps its files in pieces of 32 KB; with less room than that it reports "I/O error".
_MIN_FREE_BYTES = 2**17


class Problem(Enum):
    """What is wrong with a file, as far as a user can do something about it."""

    BUSY = auto()
    FULL = auto()
    DAMAGED = auto()
    NOT_WRITABLE = auto()
    NEWER = auto()
    OTHER = auto()


_PROBLEMS = {
    sqlite3.SQLITE_BUSY: Problem.BUSY,
    sqlite3.SQLITE_LOCKED: Problem.BUSY,
    sqlite3.SQLITE_FULL: Problem.FULL,
    sqlite3.SQLITE_CORRUPT: Problem.DAMAGED,
    sqlite3.SQLITE_NOTADB: Problem.DAMAGED,
    sqlite3.SQLITE_READONLY: Problem.NOT_WRITABLE,
    sqlite3.SQLITE_CANTOPEN: Problem.NOT_WRITABLE,
    sqlite3.SQLITE_PERM: Problem.NOT_WRITABLE,
}


class NewerSchemaError(sqlite3.DatabaseError):
    """The file was written by a newer version of spinefrac."""


@dataclass(frozen=True, slots=True)
class Database:
    """One SQLite file.

    Attributes
    ----------
    path : Path
    migrations : sequence of str
        One script a version of the schema; ``PRAGMA user_version`` counts those that were
        applied. What was published is never changed, only added to.
    to_error : callable
        Makes the error that users see, from a `Problem` and the reason that SQLite gave.
    busy_timeout_s : float
        How long to wait for another process that writes.
    pragmas : mapping of str
        Set whenever the file is opened.
    """

    path: Path
    migrations: Sequence[str]
    to_error: Callable[[Problem, str], Exception]
    busy_timeout_s: float
    pragmas: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def connect(self) -> Iterator[sqlite3.Connection]:
        """Open the file, or make it; every statement is committed by itself.

        Raises
        ------
        Exception
            What `to_error` makes.
        """
        with ExitStack() as stack:
            try:
                private_files.make_folder(self.path.parent)
                private_files.create_file(self.path)
                connection = stack.enter_context(closing(self._open()))
                for name, value in self.pragmas.items():
                    connection.execute(f"PRAGMA {name} = {value}")
                migrate(connection, self.migrations, self.busy_timeout_s)
            except (OSError, sqlite3.Error) as error:
                raise self._translate(error) from error
            try:
                yield connection
            except sqlite3.Error as error:
                raise self._translate(error) from error

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Open the file to read one consistent state of it."""
        with self.connect() as connection:
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Open the file as its only writer; everything is committed at the end, or nothing."""
        with self.connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection  # what is not committed is rolled back when the file is closed
            connection.commit()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=self.busy_timeout_s, isolation_level=None)
        connection.row_factory = sqlite3.Row
        return connection

    def _translate(self, error: OSError | sqlite3.Error) -> Exception:
        reason = getattr(error, "strerror", None) or str(error)
        return self.to_error(classify(error, self.path), reason)


def classify(error: OSError | sqlite3.Error, path: Path) -> Problem:
    """Return what an error means for the file at `path`."""
    if isinstance(error, OSError):
        return Problem.FULL if error.errno == errno.ENOSPC else Problem.NOT_WRITABLE
    if isinstance(error, NewerSchemaError):
        return Problem.NEWER
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
    if code == sqlite3.SQLITE_IOERR and shutil.disk_usage(path.parent).free < _MIN_FREE_BYTES:
        return Problem.FULL
    return _PROBLEMS.get(code, Problem.OTHER)


def migrate(
    connection: sqlite3.Connection, migrations: Sequence[str], busy_timeout_s: float
) -> None:
    """Bring the schema to the present version, in one transaction.

    Parameters
    ----------
    connection : sqlite3.Connection
    migrations : sequence of str
        See `Database`.
    busy_timeout_s : float
        How long to wait for others that open the same new file.

    Raises
    ------
    NewerSchemaError
        More scripts were applied than `migrations` has.
    """
    version = get_schema_version(connection)
    if version > len(migrations):
        raise NewerSchemaError(f"version {version}, and this spinefrac knows {len(migrations)}")
    if version == len(migrations):
        return
    _switch_to_wal(connection, busy_timeout_s)
    connection.execute("BEGIN IMMEDIATE")
    applied = get_schema_version(connection)  # another process may have been faster
    for number, script in enumerate(migrations[applied:], start=applied + 1):
        for statement in _split_statements(script):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
    connection.commit()


def _switch_to_wal(connection: sqlite3.Connection, busy_timeout_s: float) -> None:
    """Set WAL mode; SQLite itself does not wait here where several open a new file at once."""
    end = time.monotonic() + busy_timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if _PROBLEMS.get(code) is not Problem.BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)


def get_schema_version(connection: sqlite3.Connection) -> int:
    """Return how many migrations were applied to a file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _split_statements(script: str) -> Iterator[str]:
    """Split a script; `executescript` would commit between its statements."""
    statement = ""
    for part in script.split(";")[:-1]:  # which also divides triggers, and text in quotes
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
