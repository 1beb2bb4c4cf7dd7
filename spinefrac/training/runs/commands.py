"""Submit, cancel and resume a run. Every check comes before the run is queued."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from spinefrac import extras
from spinefrac import settings as places
from spinefrac.errors import RunError
from spinefrac.system.versions import collect_versions
from spinefrac.training.runs import database, lease, validation
from spinefrac.training.runs.folder_summary import summarize_folder
from spinefrac.training.runs.queries import find_run_row, get_run
from spinefrac.training.runs.records import FolderSummary, Run, RunRequest
from spinefrac.training.settings import TrainingSettings

#: Packages whose versions a run records.
_PACKAGES = (
    "spinefrac",
    "tensorflow",
    "keras",
    "numpy",
    "opencv-python-headless",
    "scikit-learn",
    "distributed",
)


def submit(
    request: RunRequest,
    *,
    summary: FolderSummary | None = None,
    progress: Callable[[int, int], None] | None = None,
    start_runner: bool = True,
) -> Run:
    """Check a request, queue the run, and make sure that a runner is active.

    Parameters
    ----------
    request : RunRequest
    summary : FolderSummary, optional
        What the caller knows of the folder, so that it is not listed and read again. The runner
        reads the folder in any case.
    progress : callable, optional
        Called with the number of files read and of all files, where the folder is read.
    start_runner : bool
        Whether to start a runner.

    Returns
    -------
    Run
        Queued. Without groups and fingerprint where `RunRequest.list_only` left them to the
        runner.

    Raises
    ------
    DatasetError
        The folder is missing, empty, outside the roots, of one class, or has too few groups.
    ModelError
        The name is not valid, or a saved model has it.
    RunError
        An unfinished run has the name, the disk is full, or the database cannot be used.
    BusyError
        The request is of a server (it has roots), and too many runs wait there.
    TrainingError
        The settings or the cluster cannot be used.
    MissingPackageError
        No training can run here.
    """
    request = _validate_request(request)
    if summary is None:
        summary = summarize_folder(
            request.folder, request.settings.group_by, progress, list_only=request.list_only
        )
    _validate_against_folder(request, summary)
    with database.write_transaction() as connection:
        validation.require_free_name(connection, request.name)
        if request.roots is not None:
            validation.require_place_in_queue(connection)
        run_id = _insert_run(connection, request, summary)
        record_state(connection, run_id, "queued")
    if start_runner:
        lease.ensure_runner()
    return get_run(run_id)


def _validate_request(request: RunRequest) -> RunRequest:
    """Check what needs no look at the folder; return the request with absolute paths."""
    from spinefrac.evaluation.operating_point import parse_rule
    from spinefrac.store import identifiers, saving

    extras.require("train")
    saving.check_id_unused(identifiers.validate(request.name))
    parse_rule(request.threshold_rule)
    with database.read_transaction() as connection:
        validation.require_free_name(connection, request.name)
    validation.validate_cluster(request.cluster)
    return replace(
        request,
        settings=validation.resolve_weights(request.settings),
        folder=validation.resolve_folder(request.folder, request.roots),
    )


def _validate_against_folder(request: RunRequest, summary: FolderSummary) -> None:
    """Check that this folder can be split, and trained on from these weights, on this disk."""
    from spinefrac.data.splits import check_folds
    from spinefrac.training import finetuning

    settings = request.settings
    finetuning.require_unseen_dataset(request.parent, summary.fingerprint)
    if summary.group_counts:
        check_folds(summary.group_counts, settings.folds, settings.seed)
    validation.require_disk_space(summary.images, settings)


def _insert_run(connection: sqlite3.Connection, request: RunRequest, summary: FolderSummary) -> str:
    """Write the row of a queued run; return its id."""
    now = time.time()
    run_id = _make_run_id(connection, request.name, now)
    config = {
        "settings": request.settings.to_dict(),
        "note": request.note,
        "threshold_rule": request.threshold_rule,
        "cluster": asdict(request.cluster) if request.cluster else None,
        "trained_by": request.trained_by,
    }
    row = {
        "id": run_id,
        "name": request.name,
        "state": "queued",
        "folder": str(request.folder),
        "config": json.dumps(config),
        "fingerprint": summary.fingerprint,
        "images": summary.images,
        "groups_found": summary.groups,
        "versions": json.dumps(collect_versions(_PACKAGES)),
        "parent": json.dumps(asdict(request.parent)) if request.parent else None,
        "submitted": now,
        "queued": now,
    }
    columns, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    connection.execute(f"INSERT INTO runs ({columns}) VALUES ({marks})", row)
    return run_id


def cancel(run_id: str) -> Run:
    """Cancel a run: at once where it is queued, within a batch where it trains.

    Its checkpoints stay, so that `resume` can continue from them.

    Raises
    ------
    RunError
        There is no such run, or it has ended.
    """
    with database.write_transaction() as connection:
        row = find_run_row(connection, run_id)
        if row["state"] not in ("queued", "running"):
            raise RunError(f"The run {row['id']} is {row['state']} already: nothing to cancel")
        if row["state"] == "running" and lease.get_active_runner(connection):
            connection.execute("UPDATE runs SET cancel = 1 WHERE id = ?", (row["id"],))
            record_state(connection, row["id"], "cancelling")
        else:
            connection.execute(
                "UPDATE runs SET state = 'cancelled', ended = ? WHERE id = ?",
                (time.time(), row["id"]),
            )
            record_state(connection, row["id"], "cancelled")
        folder = run_folder(row["id"])
        if folder.is_dir():  # the process of a fold looks for this file before every batch
            (folder / "cancel").touch()
    return get_run(row["id"])


def resume(run_id: str, *, workers: int | None = None, start_runner: bool = True) -> Run:
    """Queue a cancelled or failed run again; it resumes from its last checkpoint.

    Parameters
    ----------
    run_id : str
        Id or name.
    workers : int, optional
        Folds trained at the same time from now on.
    start_runner : bool
        Whether to start a runner.

    Raises
    ------
    RunError
        There is no such run, it is done or still being cancelled, or its name was taken
        meanwhile.
    MissingPackageError
        No training can run here.
    """
    extras.require("train")
    with database.write_transaction() as connection:
        row = find_run_row(connection, run_id)
        if row["state"] == "done":
            raise RunError(
                f"The run {row['id']} is done: train again under another name, or look at it with "
                f"`spinefrac models show {row['model']}`"
            )
        if row["state"] == "running" and row["cancel"]:
            raise RunError(f"The run {row['id']} is still being cancelled: resume it in a moment")
        if row["state"] in ("failed", "cancelled"):
            _requeue(connection, row)
        if workers is not None:
            _set_workers(connection, row, workers)
    if start_runner:
        lease.ensure_runner()
    return get_run(row["id"])


def _requeue(connection: sqlite3.Connection, row: sqlite3.Row) -> None:
    from spinefrac.store import saving

    validation.require_free_name(connection, row["name"])
    if row["stage"] != "saving":  # there the model may be this very run's
        saving.check_id_unused(row["name"])
    (run_folder(row["id"]) / "cancel").unlink(missing_ok=True)
    connection.execute(
        "UPDATE runs SET state = 'queued', cancel = 0, queued = ?, ended = NULL,"
        " error = NULL, error_kind = NULL WHERE id = ?",
        (time.time(), row["id"]),
    )
    record_state(connection, row["id"], "queued")


def _set_workers(connection: sqlite3.Connection, row: sqlite3.Row, workers: int) -> None:
    config = json.loads(row["config"])
    settings = replace(TrainingSettings.from_dict(config["settings"]), workers=workers)
    config["settings"] = settings.to_dict()
    connection.execute("UPDATE runs SET config = ? WHERE id = ?", (json.dumps(config), row["id"]))


def run_folder(run_id: str) -> Path:
    """Return the folder of a run: its workspace, checkpoints and TensorBoard logs."""
    return places.runs_dir() / run_id


def record_state(
    connection: sqlite3.Connection, run_id: str, state: str, attempt: int | None = None
) -> None:
    """Add an event with a run's new state."""
    connection.execute(
        "INSERT INTO events (time, run, attempt, kind, message) VALUES (?, ?, ?, 'state', ?)",
        (time.time(), run_id, attempt, state),
    )


def _make_run_id(connection: sqlite3.Connection, name: str, now: float) -> str:
    stamp = f"{name}-{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}"
    number, run_id = 1, stamp
    while connection.execute("SELECT 1 FROM runs WHERE id = ?", (run_id,)).fetchone():
        number += 1
        run_id = f"{stamp}-{number}"
    return run_id
