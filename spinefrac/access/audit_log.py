"""Who did what: a log that is only added to, without patient data and without file names.

The database itself refuses to change or delete a line. What an action was done to is named by the
id of a model, a run or a data set, never by a path.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass, fields
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from spinefrac import spreadsheets
from spinefrac.access import database
from spinefrac.access.policy import Action, Identity


class Event(StrEnum):
    """What is logged beside the actions of the policy; each change of users by its own name."""

    SIGN_IN = "sign-in"
    SIGN_OUT = "sign-out"
    ADD_USER = "add-user"
    INVITE_USER = "invite-user"
    CHANGE_ROLE = "change-role"
    END_SESSIONS = "end-sessions"
    REMOVE_USER = "remove-user"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the log.

    Attributes
    ----------
    id : int
        Counts up; a gap would show a removed line.
    at : str
        UTC, ISO 8601.
    who, role : str
        Name and role of who acted.
    action : str
        An `Action` or an `Event`.
    subject : str
        Id of the model, run or data set, or name of the user, that it was done to.
    """

    id: int
    at: str
    who: str
    role: str
    action: str
    subject: str


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines are wanted; an empty value is any.

    Attributes
    ----------
    who, action : str
    first, last : date or None
        Days, UTC, both included.
    """

    who: str = ""
    action: str = ""
    first: date | None = None
    last: date | None = None


def record(identity: Identity, action: Action | Event, subject: str = "") -> None:
    """Add a line.

    Parameters
    ----------
    identity : Identity
        Who acted.
    action : Action or Event
    subject : str
        An id, never a path or the name of a file.

    Raises
    ------
    UserError
        The log cannot be written.
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    with database.open_database().write() as connection:
        connection.execute(
            "INSERT INTO log (at, who, role, action, subject) VALUES (?, ?, ?, ?, ?)",
            (now, identity.name, str(identity.role), str(action), subject),
        )


def list_entries(limit: int | None = None, wanted: LogFilter | None = None) -> tuple[LogEntry, ...]:
    """Return the lines, the last first.

    Raises
    ------
    UserError
        The log cannot be read.
    """
    if not database.exists():
        return ()
    names = ", ".join(item.name for item in fields(LogEntry))
    condition, values = _make_condition(wanted or LogFilter())
    with database.open_database().read() as connection:
        rows = connection.execute(
            f"SELECT {names} FROM log WHERE {condition} ORDER BY id DESC LIMIT ?",
            (*values, -1 if limit is None else limit),
        ).fetchall()
    return tuple(LogEntry(**dict(row)) for row in rows)


def count_entries(wanted: LogFilter) -> int:
    """Return how many lines there are."""
    if not database.exists():
        return 0
    condition, values = _make_condition(wanted)
    with database.open_database().read() as connection:
        return int(
            connection.execute(f"SELECT count(*) FROM log WHERE {condition}", values).fetchone()[0]
        )


def _make_condition(wanted: LogFilter) -> tuple[str, tuple[str, ...]]:
    """Return the SQL condition of a filter, and its values."""
    conditions, values = ["1"], []
    for column, value in (("who", wanted.who), ("action", wanted.action)):
        if value:
            conditions.append(f"{column} = ?")
            values.append(value)
    if wanted.first:
        conditions.append("at >= ?")
        values.append(wanted.first.isoformat())
    if wanted.last:  # which is included, and what is compared begins with the day
        conditions.append("at < ?")
        values.append((wanted.last + timedelta(days=1)).isoformat())
    return " AND ".join(conditions), tuple(values)


def list_people_and_actions() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return who and which actions are in the log, each in order."""
    if not database.exists():
        return (), ()
    with database.open_database().read() as connection:
        people, actions = (
            tuple(
                row[0] for row in connection.execute(f"SELECT DISTINCT {name} FROM log ORDER BY 1")
            )
            for name in ("who", "action")
        )
    return people, actions


def to_json(entries: Iterable[LogEntry]) -> str:
    """Return lines of the log as a JSON list."""
    return json.dumps([asdict(entry) for entry in entries], indent=2, allow_nan=False)


def to_csv(entries: Iterable[LogEntry]) -> str:
    """Return lines of the log as CSV, safe for spreadsheets."""
    return spreadsheets.to_csv([item.name for item in fields(LogEntry)], map(astuple, entries))
