"""The record that a runner writes into the database while it executes a run.

Epochs are written at once, batches about once a second. Where the database is locked by another
program or the disk is full, rows wait in memory and training continues.
"""

from __future__ import annotations

import math
import sqlite3
import statistics
import sys
import time
from typing import Any

from spinefrac.errors import RunError
from spinefrac.records import EpochRecord
from spinefrac.training.runs import database, lease

#: Shortest time between two writes of the progress within an epoch.
_FLUSH_INTERVAL_S = 1.0
#: How long to wait before the database is tried again.
_RETRY_INTERVAL_S = 5.0

_UPSERT_FOLD_SQL = (
    "INSERT INTO folds (run, fold, state, epoch, batch, batches, batch_rate, worker, updated)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, fold) DO UPDATE SET"
    " state = excluded.state, epoch = excluded.epoch, batch = excluded.batch,"
    " batches = excluded.batches, batch_rate = coalesce(excluded.batch_rate, batch_rate),"
    " worker = CASE excluded.worker WHEN '' THEN worker ELSE excluded.worker END,"
    " updated = excluded.updated"
)
_EVENT_COLUMNS = (
    *("fold", "epoch", "batch_rate", "loss", "val_loss", "val_auc", "learning_rate"),
    *("seconds", "message"),
)
_INSERT_EVENT_SQL = (
    f"INSERT INTO events (time, run, attempt, kind, {', '.join(_EVENT_COLUMNS)})"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_UPSERT_WORKER_SQL = (
    "INSERT OR REPLACE INTO workers (run, name, host, state, fold, updated)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)


class RunJournal:
    """The record of one attempt of a run.

    Parameters
    ----------
    run_id : str
    attempt : int
    """

    def __init__(self, run_id: str, attempt: int) -> None:
        self._run, self._attempt = run_id, attempt
        self._lines: list[tuple[str, tuple[Any, ...]]] = []
        self._batches: dict[int, tuple[Any, ...]] = {}
        self._workers: dict[str, tuple[str, int | None]] = {}
        self._rates: list[float] = []
        self._flushed = 0.0
        self._retry_at = 0.0
        with database.read_transaction() as connection:
            self._recorded_epochs = {
                (row["fold"], row["epoch"])
                for row in connection.execute(
                    "SELECT fold, epoch FROM events WHERE run = ? AND kind = 'epoch'", (run_id,)
                )
            }

    def log(self, message: str) -> None:
        """Record a message for people."""
        self._append_event("log", message=message)
        self.flush(force=True)

    def record_fold(self, fold: int, state: str, worker: str, message: str) -> None:
        """Record that a fold starts, was lost or is done; an empty message makes no event."""
        self._batches.pop(fold, None)
        row = (self._run, fold, state, 0, 0, 0, None, worker, time.time())
        self._lines.append((_UPSERT_FOLD_SQL, row))
        if message:
            self._append_event("fold", fold=fold, message=message)
        self.flush(force=True)

    def record_batch(
        self, fold: int, worker: str, position: tuple[int, int, int], rate: float
    ) -> None:
        """Record the (epoch, batch, number of batches) of a fold, and its slices per second."""
        self._batches[fold] = (self._run, fold, "training", *position, rate, worker, time.time())

    def record_epoch(self, record: EpochRecord, rate: float | None) -> None:
        """Record a finished epoch; one without a rate only where it is not recorded yet."""
        at = (record.fold, record.epoch)
        if rate is None and at in self._recorded_epochs:
            return
        self._recorded_epochs.add(at)
        if rate is not None and record.epoch > 1:  # the first one compiles
            self._rates.append(rate)
        self._batches.pop(record.fold, None)
        done = (record.epoch, 0, 0, rate, "", time.time())
        self._lines.append((_UPSERT_FOLD_SQL, (self._run, record.fold, "training", *done)))
        self._append_event(
            "epoch",
            fold=record.fold,
            epoch=record.epoch,
            batch_rate=rate,
            loss=record.loss,
            val_loss=record.val_loss,
            val_auc=record.val_auc,
            learning_rate=record.learning_rate,
            seconds=record.seconds,
        )
        self.flush(force=True)

    def record_workers(self, states: dict[str, tuple[str, int | None]]) -> None:
        """Record which worker trains which fold."""
        for name, (state, fold) in states.items():
            if self._workers.get(name) != (state, fold):
                row = (self._run, name, lease.get_hostname(), state, fold, time.time())
                self._lines.append((_UPSERT_WORKER_SQL, row))
        self._workers |= states

    def record_dataset(self, fingerprint: str, images: int, groups: int) -> None:
        """Record the data set that the runner has read."""
        statement = "UPDATE runs SET fingerprint = ?, images = ?, groups_found = ? WHERE id = ?"
        self._lines.append((statement, (fingerprint, images, groups, self._run)))

    def record_folds(self, n_folds: int) -> None:
        """Record the number of folds, where the settings leave it open."""
        statement = "UPDATE runs SET config = json_set(config, '$.settings.folds', ?) WHERE id = ?"
        self._lines.append((statement, (n_folds, self._run)))

    def compute_median_rate(self) -> float | None:
        """Return the median slices per second of a fold in this attempt; None without any."""
        return statistics.median(self._rates) if self._rates else None

    def flush(self, force: bool = False) -> None:
        """Write what is pending, about once a second or now."""
        moment = time.monotonic()
        waiting = self._lines or self._batches
        if not waiting or moment < self._retry_at:
            return
        if not force and moment - self._flushed < _FLUSH_INTERVAL_S:
            return
        try:
            with database.write_transaction(busy_timeout_s=2.0) as connection:
                for statement, row in self._lines:
                    connection.execute(statement, row)
                for row in self._batches.values():
                    connection.execute(_UPSERT_FOLD_SQL, row)
        except RunError as error:
            print(f"not recorded yet: {error}", file=sys.stderr, flush=True)
            self._retry_at = time.monotonic() + _RETRY_INTERVAL_S
            return
        self._lines.clear()
        self._batches.clear()
        self._flushed = moment

    def pop_pending_rows(self) -> list[tuple[str, tuple[Any, ...]]]:
        """Return and forget what is not written yet, for a transaction of the caller."""
        lines, self._lines = self._lines, []
        return lines

    def _append_event(self, kind: str, **values: Any) -> None:
        row = [time.time(), self._run, self._attempt, kind, *map(values.get, _EVENT_COLUMNS)]
        nothing = [isinstance(value, float) and math.isnan(value) for value in row]
        cells = tuple(None if empty else v for v, empty in zip(row, nothing, strict=True))
        self._lines.append((_INSERT_EVENT_SQL, cells))


def write_rows(connection: sqlite3.Connection, rows: list[tuple[str, tuple[Any, ...]]]) -> None:
    """Write the rows of `RunJournal.pop_pending_rows`."""
    for statement, row in rows:
        connection.execute(statement, row)
