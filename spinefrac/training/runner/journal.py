"""What a run's runner writes down in the database while it works.

Epochs are written at once, batches about once a second. Where the database is kept by another
program or the disk is full, lines wait in memory and training goes on.
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

#: Progress within an epoch is written at most so often.
_EVERY_S = 1.0
#: How long to wait before the database is tried again.
_AGAIN_S = 5.0

_FOLD = (
    "INSERT INTO folds (run, fold, state, epoch, batch, batches, batch_rate, worker, updated)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, fold) DO UPDATE SET"
    " state = excluded.state, epoch = excluded.epoch, batch = excluded.batch,"
    " batches = excluded.batches, batch_rate = coalesce(excluded.batch_rate, batch_rate),"
    " worker = CASE excluded.worker WHEN '' THEN worker ELSE excluded.worker END,"
    " updated = excluded.updated"
)
_EVENT_FIELDS = (
    *("fold", "epoch", "batch_rate", "loss", "val_loss", "val_auc", "learning_rate"),
    *("seconds", "message"),
)
_EVENT = (
    f"INSERT INTO events (time, run, attempt, kind, {', '.join(_EVENT_FIELDS)})"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_WORKER = (
    "INSERT OR REPLACE INTO workers (run, name, host, state, fold, updated)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)


class Journal:
    """The record of one attempt of a run.

    Parameters
    ----------
    run : str
    attempt : int
    """

    def __init__(self, run: str, attempt: int) -> None:
        self._run, self._attempt = run, attempt
        self._lines: list[tuple[str, tuple[Any, ...]]] = []
        self._batches: dict[int, tuple[Any, ...]] = {}
        self._workers: dict[str, tuple[str, int | None]] = {}
        self._rates: list[float] = []
        self._flushed = 0.0
        self._not_before = 0.0
        with database.reading() as connection:
            self._known = {
                (row["fold"], row["epoch"])
                for row in connection.execute(
                    "SELECT fold, epoch FROM events WHERE run = ? AND kind = 'epoch'", (run,)
                )
            }

    def log(self, line: str) -> None:
        """Note a line for people."""
        self._event("log", message=line)
        self.flush(now=True)

    def fold(self, fold: int, state: str, worker: str, message: str) -> None:
        """Note that a fold starts, was lost or is done; an empty message makes no event."""
        self._batches.pop(fold, None)
        row = (self._run, fold, state, 0, 0, 0, None, worker, time.time())
        self._lines.append((_FOLD, row))
        if message:
            self._event("fold", fold=fold, message=message)
        self.flush(now=True)

    def batch(self, fold: int, worker: str, at: tuple[int, int, int], rate: float) -> None:
        """Note which (epoch, batch, of batches) a fold has done, and its slices a second."""
        self._batches[fold] = (self._run, fold, "training", *at, rate, worker, time.time())

    def epoch(self, record: EpochRecord, rate: float | None) -> None:
        """Note a finished epoch; one without a rate only where it is not noted yet."""
        at = (record.fold, record.epoch)
        if rate is None and at in self._known:
            return
        self._known.add(at)
        if rate is not None and record.epoch > 1:  # the first one compiles
            self._rates.append(rate)
        self._batches.pop(record.fold, None)
        done = (record.epoch, 0, 0, rate, "", time.time())
        self._lines.append((_FOLD, (self._run, record.fold, "training", *done)))
        self._event(
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
        self.flush(now=True)

    def workers(self, states: dict[str, tuple[str, int | None]]) -> None:
        """Note who trains which fold."""
        for name, (state, fold) in states.items():
            if self._workers.get(name) != (state, fold):
                row = (self._run, name, lease.host(), state, fold, time.time())
                self._lines.append((_WORKER, row))
        self._workers |= states

    def data(self, fingerprint: str, images: int, groups: int) -> None:
        """Note which data set the run is really about."""
        statement = "UPDATE runs SET fingerprint = ?, images = ?, groups_found = ? WHERE id = ?"
        self._lines.append((statement, (fingerprint, images, groups, self._run)))

    def rate(self) -> float | None:
        """Return the slices a second of one fold in this attempt; None where none was timed."""
        return statistics.median(self._rates) if self._rates else None

    def flush(self, now: bool = False) -> None:
        """Write what has come together, about once a second or now."""
        moment = time.monotonic()
        waiting = self._lines or self._batches
        if not waiting or moment < self._not_before:
            return
        if not now and moment - self._flushed < _EVERY_S:
            return
        try:
            with database.writing(busy_s=2.0) as connection:
                for statement, row in self._lines:
                    connection.execute(statement, row)
                for row in self._batches.values():
                    connection.execute(_FOLD, row)
        except RunError as error:
            print(f"not noted yet: {error}", file=sys.stderr, flush=True)
            self._not_before = time.monotonic() + _AGAIN_S
            return
        self._lines.clear()
        self._batches.clear()
        self._flushed = moment

    def rows(self) -> list[tuple[str, tuple[Any, ...]]]:
        """Hand over what could not be written yet, for a transaction of the caller."""
        lines, self._lines = self._lines, []
        return lines

    def _event(self, kind: str, **values: Any) -> None:
        row = [time.time(), self._run, self._attempt, kind, *map(values.get, _EVENT_FIELDS)]
        nothing = [isinstance(value, float) and math.isnan(value) for value in row]
        cells = tuple(None if empty else v for v, empty in zip(row, nothing, strict=True))
        self._lines.append((_EVENT, cells))


def write_rows(connection: sqlite3.Connection, rows: list[tuple[str, tuple[Any, ...]]]) -> None:
    """Write what `Journal.rows` handed over."""
    for statement, row in rows:
        connection.execute(statement, row)
