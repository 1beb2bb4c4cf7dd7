"""Queries on runs, fast enough to be repeated every second by every viewer."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import statistics
from collections.abc import Iterable

from spinefrac.errors import UnknownRunError
from spinefrac.records import EpochRecord
from spinefrac.store.card import ParentModel
from spinefrac.training.runs import database, lease
from spinefrac.training.runs.records import (
    Cluster,
    Event,
    FoldProgress,
    Run,
    RunnerState,
    RunProgress,
    WorkerState,
)
from spinefrac.training.settings import TrainingSettings

_LOG_LINES = 12

_RUN_COLUMNS = (
    "SELECT runs.*, (SELECT count(*) FROM attempts WHERE run = runs.id) AS attempts FROM runs"
)


def list_runs(limit: int = 100) -> tuple[Run, ...]:
    """Return runs: training and queued ones in their order, then ended ones, newest first."""
    if not database.database_path().exists():
        return ()
    with database.read_transaction() as connection:
        runner = lease.get_active_runner(connection)
        rows = connection.execute(
            f"{_RUN_COLUMNS} ORDER BY CASE state WHEN 'running' THEN 0 WHEN 'queued' THEN 1"
            " ELSE 2 END, CASE WHEN state IN ('running', 'queued') THEN queued ELSE -submitted END"
            " LIMIT ?",
            (limit,),
        ).fetchall()
    return tuple(_to_run(row, runner) for row in rows)


def get_run(run_id: str) -> Run:
    """Return a run by its id, or the newest of a name.

    Raises
    ------
    RunError
        There is none.
    """
    if not database.database_path().exists():
        raise _make_unknown_run_error(run_id)
    with database.read_transaction() as connection:
        return _to_run(find_run_row(connection, run_id), lease.get_active_runner(connection))


def find_run_row(connection: sqlite3.Connection, run_id: str) -> sqlite3.Row:
    """Return the row of a run by its id, or the newest of a name."""
    row = connection.execute(
        f"{_RUN_COLUMNS} WHERE id = ?1 OR name = ?1 ORDER BY id = ?1 DESC, submitted DESC LIMIT 1",
        (run_id,),
    ).fetchone()
    if row is None:
        raise _make_unknown_run_error(run_id)
    assert isinstance(row, sqlite3.Row)
    return row


def _make_unknown_run_error(run_id: str) -> UnknownRunError:
    return UnknownRunError(
        f"There is no run {run_id[:100]!r}: `spinefrac runs list` lists all runs"
    )


def list_events(
    run_id: str, after: int = 0, kinds: Iterable[str] | None = None, limit: int = 10_000
) -> tuple[Event, ...]:
    """Return the events of a run, oldest first.

    Parameters
    ----------
    run_id : str
        Id or name.
    after : int
        Id of the last known event.
    kinds : iterable of str, optional
        See `Event.kind`.
    limit : int
    """
    with database.read_transaction() as connection:
        found = find_run_row(connection, run_id)["id"]
        wanted = list(kinds or ())
        of_kind = f" AND kind IN ({','.join('?' * len(wanted))})" if wanted else ""
        rows = connection.execute(
            f"SELECT * FROM events WHERE run = ? AND id > ?{of_kind} ORDER BY id LIMIT ?",
            (found, after, *wanted, limit),
        ).fetchall()
    return tuple(Event(**{**dict(row), "message": row["message"] or ""}) for row in rows)


def get_progress(run_id: str) -> RunProgress:
    """Return everything that is shown of a run, in one consistent state.

    Raises
    ------
    RunError
        There is no such run.
    """
    if not database.database_path().exists():
        raise _make_unknown_run_error(run_id)
    with database.read_transaction() as connection:
        row = find_run_row(connection, run_id)
        runner = lease.get_active_runner(connection)
        record = _to_run(row, runner)
        of_run = (record.id,)
        history = _load_histories(connection, record.id)
        live = {
            entry["fold"]: entry
            for entry in connection.execute("SELECT * FROM folds WHERE run = ?", of_run)
        }
        workers = connection.execute(
            "SELECT name, host, state, fold, updated FROM workers WHERE run = ? ORDER BY name",
            of_run,
        ).fetchall()
        log = connection.execute(
            "SELECT time, message FROM events WHERE run = ? AND kind IN ('log','state','fold')"
            " ORDER BY id DESC LIMIT ?",
            (record.id, _LOG_LINES),
        ).fetchall()
        last = connection.execute("SELECT max(id) FROM events WHERE run = ?", of_run).fetchone()[0]
        position = _get_queue_position(connection, row)
    folds = tuple(
        _to_fold_progress(fold, record, live.get(fold), history.get(fold, ()))
        for fold in range(record.settings.expected_folds)
    )
    return RunProgress(
        run=record,
        folds=folds,
        share=sum(fold.share for fold in folds) / len(folds),
        seconds_left=_estimate_seconds_left(record, folds),
        position=position,
        workers=tuple(WorkerState(**dict(worker)) for worker in workers),
        log=tuple((line["time"], line["message"] or "") for line in reversed(log)),
        runner=runner,
        last_event=last or 0,
    )


def get_runner_state() -> RunnerState | None:
    """Return the active runner, or None."""
    if not database.database_path().exists():
        return None
    with database.read_transaction() as connection:
        return lease.get_active_runner(connection)


# --- from rows to records ----------------------------------------------------------------------


def _to_run(row: sqlite3.Row, runner: RunnerState | None) -> Run:
    config = json.loads(row["config"])
    return Run(
        id=row["id"],
        name=row["name"],
        state=row["state"],
        stage=row["stage"],
        interrupted=row["state"] == "running" and runner is None,
        cancelling=row["state"] == "running" and bool(row["cancel"]),
        folder=row["folder"],
        settings=TrainingSettings.from_dict(config["settings"]),
        note=config["note"],
        threshold_rule=config["threshold_rule"],
        cluster=Cluster(**config["cluster"]) if config["cluster"] else None,
        parent=ParentModel(**json.loads(row["parent"])) if row["parent"] else None,
        trained_by=config.get("trained_by", ""),
        fingerprint=row["fingerprint"],
        images=row["images"],
        groups=row["groups_found"],
        versions=json.loads(row["versions"]),
        submitted=row["submitted"],
        queued=row["queued"],
        started=row["started"],
        ended=row["ended"],
        attempts=row["attempts"],
        model=row["model"],
        result=json.loads(row["result"]) if row["result"] else None,
        error=row["error"],
        error_kind=row["error_kind"],
    )


def _load_histories(
    connection: sqlite3.Connection, run_id: str
) -> dict[int, tuple[EpochRecord, ...]]:
    """Return the epochs of each fold; of one that was trained twice, the last."""
    newest: dict[int, dict[int, EpochRecord]] = {}
    for row in connection.execute(
        "SELECT fold, epoch, loss, val_loss, val_auc, learning_rate, seconds FROM events"
        " WHERE run = ? AND kind = 'epoch' ORDER BY id",
        (run_id,),
    ):
        numbers = (math.nan if value is None else value for value in row[2:])
        record = EpochRecord(row["fold"], row["epoch"], *numbers)
        newest.setdefault(record.fold, {})[record.epoch] = record
    return {
        fold: tuple(record for _, record in sorted(epochs.items()))
        for fold, epochs in newest.items()
    }


def _to_fold_progress(
    fold: int, run: Run, fold_row: sqlite3.Row | None, history: tuple[EpochRecord, ...]
) -> FoldProgress:
    state = fold_row["state"] if fold_row else "waiting"
    epochs = run.settings.epochs
    epoch = len(history)
    within, practised = 0.0, None
    if fold_row and state == "training" and fold_row["batches"]:
        of_batches = fold_row["batch"] / fold_row["batches"]
        if fold_row["epoch"] == epoch + 1:
            within = of_batches
        elif fold_row["epoch"] == 0:
            practised = of_batches
    if state == "training" and run.state != "running":
        state = "waiting"
    return FoldProgress(
        fold=fold,
        state=state,
        epoch=epoch,
        epochs=epochs,
        share=1.0 if state == "done" else min(1.0, (epoch + within) / epochs),
        images_per_second=fold_row["batch_rate"] if fold_row else None,
        worker=(fold_row["worker"] or "") if fold_row else "",
        history=history,
        practised=practised,
    )


def _estimate_seconds_left(run: Run, folds: tuple[FoldProgress, ...]) -> float | None:
    """Return the expected time for the remaining epochs, from the time of the last ones."""
    paces = [record.seconds for fold in folds for record in fold.history[-3:]]
    left = sum((1 - fold.share) * fold.epochs for fold in folds)
    if run.state != "running" or not paces or left <= 0:
        return None
    unfinished = sum(fold.state != "done" for fold in folds)
    at_once = sum(fold.state == "training" for fold in folds) or run.settings.workers
    at_once = min(at_once or os.cpu_count() or 1, unfinished)
    return left * statistics.mean(paces) / max(1, at_once)


def _get_queue_position(connection: sqlite3.Connection, row: sqlite3.Row) -> int | None:
    if row["state"] != "queued":
        return None
    before = connection.execute(
        "SELECT count(*) FROM runs WHERE state = 'queued' AND queued <= ?", (row["queued"],)
    )
    return int(before.fetchone()[0])
