"""Who did what: a log that is only added to, without patient data and without file names.

The database itself refuses to change or delete a line. What an action was done to is named by the
id of a model, a run or a data set, never by a path.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime

from spinefrac.access import database
from spinefrac.access.policy import Action, Identity

#: What was done beside the actions of the policy.
SIGNED_IN = "sign-in"
SIGNED_OUT = "sign-out"


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
        An `Action`, or ``sign-in`` or ``sign-out``.
    subject : str
        Id of the model, run or data set, or name of the user, that it was done to.
    """

    id: int
    at: str
    who: str
    role: str
    action: str
    subject: str


def record(identity: Identity, action: Action | str, subject: str = "") -> None:
    """Add a line.

    Parameters
    ----------
    identity : Identity
        Who acted.
    action : Action or str
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


def list_entries(limit: int | None = None) -> tuple[LogEntry, ...]:
    """Return the lines, the last first.

    Raises
    ------
    UserError
        The log cannot be read.
    """
    if not database.exists():
        return ()
    names = ", ".join(item.name for item in fields(LogEntry))
    with database.open_database().read() as connection:
        rows = connection.execute(
            f"SELECT {names} FROM log ORDER BY id DESC LIMIT ?", (-1 if limit is None else limit,)
        ).fetchall()
    return tuple(LogEntry(**dict(row)) for row in rows)


def to_json(entries: Iterable[LogEntry]) -> str:
    """Return lines of the log as a JSON list."""
    return json.dumps([asdict(entry) for entry in entries], indent=2, allow_nan=False)
