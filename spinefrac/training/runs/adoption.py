"""Take a run over from its folder where the database does not know it, as after its deletion.

``run.json`` in a run's folder holds its row of the database, as of the begin and the end of each
attempt. An adopted run that had not ended is as one that was cancelled: it can be resumed.
"""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import asdict, dataclass, fields, replace

from spinefrac import settings
from spinefrac.errors import RunError, SpinefracError
from spinefrac.records import Count
from spinefrac.store import identifiers
from spinefrac.store.card import ParentModel
from spinefrac.system import atomic, private_files, reading
from spinefrac.training.runs import database, validation
from spinefrac.training.runs.commands import record_state, run_folder
from spinefrac.training.runs.queries import get_run
from spinefrac.training.runs.records import OPEN_STATES, Cluster, Run
from spinefrac.training.settings import TrainingSettings

RECORD_FILE = "run.json"


@dataclass(frozen=True, slots=True)
class _RunRow:
    """A row of the table ``runs``, see docs/runs.md; `cancel` is left out."""

    id: str
    name: str
    state: str
    stage: str
    folder: str
    config: str
    fingerprint: str
    images: Count
    groups_found: Count
    versions: str
    parent: str | None
    submitted: float
    queued: float
    started: float | None
    ended: float | None
    model: str | None
    result: str | None
    error: str | None
    error_kind: str | None


_COLUMNS = tuple(field.name for field in fields(_RunRow))


def save_record(run_id: str) -> None:
    """Write a run's row into its folder.

    Raises
    ------
    OSError
        It cannot be written.
    """
    with database.read_transaction() as connection:
        row = connection.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM runs WHERE id = ?", (run_id,)
        ).fetchone()
    folder = run_folder(run_id)
    private_files.make_folder(folder)
    atomic.write_bytes(folder / RECORD_FILE, json.dumps(dict(row), indent=1).encode())


def adopt(run_id: str) -> Run:
    """Add a run to the database from its folder in HOME/runs.

    Parameters
    ----------
    run_id : str
        Name of the folder.

    Returns
    -------
    Run
        Cancelled where it had not ended, so that `resume` continues it; else as it had ended.

    Raises
    ------
    RunError
        There is no such folder, its record is missing or damaged, the database has the run, or
        an unfinished run has its name.
    """
    row = _read_record(run_id)
    if row.state in OPEN_STATES:
        row = replace(row, state="cancelled", ended=time.time())
    with database.write_transaction() as connection:
        if connection.execute("SELECT 1 FROM runs WHERE id = ?", (run_id,)).fetchone():
            raise RunError(
                f"The run {run_id} is in the database already: see it with `spinefrac runs show "
                f"{run_id}`"
            )
        validation.require_free_name(connection, row.name)
        _insert(connection, row)
    return get_run(run_id)


def _read_record(run_id: str) -> _RunRow:
    """Read a run's record, and require that the database could hold it."""
    path = settings.runs_dir() / run_id / RECORD_FILE
    if run_id != path.parent.name or not path.parent.is_dir():
        raise RunError(
            f"Expected the name of a run's folder in HOME/runs, got {run_id[:100]!r}: move the "
            "folder there and give its name"
        )
    try:
        row = reading.convert(reading.parse_json(reading.read_regular_file(path)), _RunRow)
        _require_usable(row, run_id)
    except FileNotFoundError as error:
        raise RunError(
            f"{run_id} has no {RECORD_FILE}, so it is no run's folder, or its run never started: "
            "train again"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SpinefracError) as error:
        raise RunError(
            f"{RECORD_FILE} of {run_id} is damaged ({error}): restore it from a copy, or train "
            "again"
        ) from error
    return row


def _require_usable(row: _RunRow, run_id: str) -> None:
    """Raise where a row could not be read back as the run of its folder."""
    if row.id != run_id or row.state not in (*OPEN_STATES, "done", "failed", "cancelled"):
        raise reading.UnreadableContentError("it is of another run or state")
    identifiers.validate(row.name)
    config = reading.parse_json(row.config)
    TrainingSettings.from_dict(config["settings"])
    if config["cluster"]:
        reading.convert(config["cluster"], Cluster)
    if row.parent is not None:
        reading.convert(reading.parse_json(row.parent), ParentModel)
    for text in (row.versions, row.result):
        if text is not None and not isinstance(reading.parse_json(text), dict):
            raise reading.UnreadableContentError("a part of it is no JSON object")


def _insert(connection: sqlite3.Connection, row: _RunRow) -> None:
    marks = ", ".join(f":{name}" for name in _COLUMNS)
    connection.execute(f"INSERT INTO runs ({', '.join(_COLUMNS)}) VALUES ({marks})", asdict(row))
    record_state(connection, row.id, "adopted from its folder")
