"""Look at runs: cheap enough to be asked every second by everybody who watches."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import statistics
from collections.abc import Iterable

from spinefrac.errors import RunError
from spinefrac.records import EpochRecord
from spinefrac.store.card import Parent
from spinefrac.training.runs import database, lease
from spinefrac.training.runs.records import (
    Cluster,
    Event,
    FoldProgress,
    Progress,
    Run,
    RunnerState,
    WorkerState,
)
from spinefrac.training.settings import TrainingSettings

_LOG_LINES = 12

_RUN_COLUMNS = (
    "SELECT runs.*, (SELECT count(*) FROM attempts WHERE run = runs.id) AS attempts FROM runs"
)


def listing(limit: int = 100) -> tuple[Run, ...]:
    """Return runs: those at work and waiting first, in their order, then the newest first."""
    if not database.path().exists():
        return ()
    with database.reading() as connection:
        runner = lease.holder(connection)
        rows = connection.execute(
            f"{_RUN_COLUMNS} ORDER BY CASE state WHEN 'running' THEN 0 WHEN 'queued' THEN 1"
            " ELSE 2 END, CASE WHEN state IN ('running', 'queued') THEN queued ELSE -submitted END"
            " LIMIT ?",
            (limit,),
        ).fetchall()
    return tuple(_run(row, runner) for row in rows)


def get(run: str) -> Run:
    """Return a run by its id, or the newest of a name.

    Raises
    ------
    RunError
        There is none.
    """
    if not database.path().exists():
        raise _unknown(run)
    with database.reading() as connection:
        return _run(find(connection, run), lease.holder(connection))


def find(connection: sqlite3.Connection, run: str) -> sqlite3.Row:
    """Return the row of a run by its id, or the newest of a name."""
    row = connection.execute(
        f"{_RUN_COLUMNS} WHERE id = ?1 OR name = ?1 ORDER BY id = ?1 DESC, submitted DESC LIMIT 1",
        (run,),
    ).fetchone()
    if row is None:
        raise _unknown(run)
    assert isinstance(row, sqlite3.Row)
    return row


def _unknown(run: str) -> RunError:
    return RunError(f"There is no run {run[:100]!r}: `spinefrac runs list` shows those there are")


def events(
    run: str, after: int = 0, kinds: Iterable[str] | None = None, limit: int = 10_000
) -> tuple[Event, ...]:
    """Return what happened in a run, oldest first.

    Parameters
    ----------
    run : str
        Id or name.
    after : int
        Id of the last event that is known already.
    kinds : iterable of str, optional
        See `Event.kind`.
    limit : int
    """
    with database.reading() as connection:
        found = find(connection, run)["id"]
        wanted = list(kinds or ())
        of_kind = f" AND kind IN ({','.join('?' * len(wanted))})" if wanted else ""
        rows = connection.execute(
            f"SELECT * FROM events WHERE run = ? AND id > ?{of_kind} ORDER BY id LIMIT ?",
            (found, after, *wanted, limit),
        ).fetchall()
    return tuple(Event(**{**dict(row), "message": row["message"] or ""}) for row in rows)


def progress(run: str) -> Progress:
    """Return everything that is shown of a run, of one moment.

    Raises
    ------
    RunError
        There is no such run.
    """
    if not database.path().exists():
        raise _unknown(run)
    with database.reading() as connection:
        row = find(connection, run)
        runner = lease.holder(connection)
        record = _run(row, runner)
        of_run = (record.id,)
        history = _histories(connection, record.id)
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
        position = _position(connection, row)
    folds = tuple(
        _fold(fold, record, live.get(fold), history.get(fold, ()))
        for fold in range(record.settings.folds)
    )
    return Progress(
        run=record,
        folds=folds,
        share=sum(fold.share for fold in folds) / len(folds),
        seconds_left=_seconds_left(record, folds),
        position=position,
        workers=tuple(WorkerState(**dict(worker)) for worker in workers),
        log=tuple((line["time"], line["message"] or "") for line in reversed(log)),
        runner=runner,
        last_event=last or 0,
    )


def runner_state() -> RunnerState | None:
    """Return the process that executes runs, or None where there is none."""
    if not database.path().exists():
        return None
    with database.reading() as connection:
        return lease.holder(connection)


# --- from rows to records ----------------------------------------------------------------------


def _run(row: sqlite3.Row, runner: RunnerState | None) -> Run:
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
        parent=Parent(**json.loads(row["parent"])) if row["parent"] else None,
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


def _histories(connection: sqlite3.Connection, run: str) -> dict[int, tuple[EpochRecord, ...]]:
    """Return each fold's epochs; of one that was trained twice, the last time counts."""
    newest: dict[int, dict[int, EpochRecord]] = {}
    for row in connection.execute(
        "SELECT fold, epoch, loss, val_loss, val_auc, learning_rate, seconds FROM events"
        " WHERE run = ? AND kind = 'epoch' ORDER BY id",
        (run,),
    ):
        numbers = (math.nan if value is None else value for value in row[2:])
        record = EpochRecord(row["fold"], row["epoch"], *numbers)
        newest.setdefault(record.fold, {})[record.epoch] = record
    return {
        fold: tuple(record for _, record in sorted(epochs.items()))
        for fold, epochs in newest.items()
    }


def _fold(
    fold: int, run: Run, live: sqlite3.Row | None, history: tuple[EpochRecord, ...]
) -> FoldProgress:
    state = live["state"] if live else "waiting"
    epochs = run.settings.epochs
    epoch = len(history)
    within = 0.0
    if live and state == "training" and live["batches"] and live["epoch"] == epoch + 1:
        within = live["batch"] / live["batches"]
    if state == "training" and run.state != "running":
        state = "waiting"
    return FoldProgress(
        fold=fold,
        state=state,
        epoch=epoch,
        epochs=epochs,
        share=1.0 if state == "done" else min(1.0, (epoch + within) / epochs),
        images_per_second=live["batch_rate"] if live else None,
        worker=(live["worker"] or "") if live else "",
        history=history,
    )


def _seconds_left(run: Run, folds: tuple[FoldProgress, ...]) -> float | None:
    """Return the epochs that are left, at the pace of those that are done."""
    paces = [record.seconds for fold in folds for record in fold.history[-3:]]
    left = sum((1 - fold.share) * fold.epochs for fold in folds)
    if run.state != "running" or not paces or left <= 0:
        return None
    unfinished = sum(fold.state != "done" for fold in folds)
    at_once = sum(fold.state == "training" for fold in folds) or run.settings.workers
    at_once = min(at_once or os.cpu_count() or 1, unfinished)
    return left * statistics.mean(paces) / max(1, at_once)


def _position(connection: sqlite3.Connection, row: sqlite3.Row) -> int | None:
    if row["state"] != "queued":
        return None
    before = connection.execute(
        "SELECT count(*) FROM runs WHERE state = 'queued' AND queued <= ?", (row["queued"],)
    )
    return int(before.fetchone()[0])
