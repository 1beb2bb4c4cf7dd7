"""The process that trains one fold: ``python -m spinefrac.training.runner.worker FOLDER FOLD THREADS``.

It goes on from the fold's checkpoint in FOLDER, if any, and writes one JSON object a line to
standard output: ``{"resumed": [epoch records]}``, ``{"batch": …}`` about once a second,
``{"epoch": …}`` for every epoch, and at last ``{"done": true}`` or ``{"error": kind, "message":
…}``. It looks before every batch whether FOLDER holds a file named ``cancel``, and ends at once
when its standard input closes: that happens however the parent ends.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spinefrac.errors import SpinefracError
from spinefrac.records import EpochRecord
from spinefrac.training import checkpoint
from spinefrac.training.runner.workspace import Plan

#: A line about the batches at most so often.
_EVERY_S = 1.0


def main(arguments: list[str]) -> int:
    """Train the fold that the command line names; see the module's docstring."""
    folder, fold, threads = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    _end_with_parent()
    try:
        _train(folder, fold, threads)
    except SpinefracError as error:
        _say({"error": type(error).__name__, "message": str(error)})
        return 1
    _say({"done": True})
    return 0


def _train(folder: Path, fold: int, threads: int) -> None:
    plan = Plan.read(folder)
    done = checkpoint.read(plan.checkpoint_path(fold))
    _say({"resumed": [asdict(record) for record in done.history] if done else []})
    limit_threads(threads)
    from spinefrac.training.tensorboard import Logs
    from spinefrac.training.train_fold import train_fold

    logs = Logs(folder / "tensorboard" / f"fold-{fold}")
    report = _Report(plan, fold)

    def on_epoch(record: EpochRecord) -> None:
        rate = report.rate_of(record)
        logs.epoch(record, rate)
        _say({"epoch": asdict(record), "rate": rate})

    result = train_fold(
        plan,
        fold,
        on_epoch=on_epoch,
        on_batch=report.batch,
        cancelled=(folder / "cancel").exists,
        checkpoints=True,
    )
    plan.write_result(result)
    checkpoint.remove(plan.checkpoint_path(fold))


class _Report:
    """Say about once a second which batch is done and how many slices a second that makes."""

    def __init__(self, plan: Plan, fold: int) -> None:
        self._size = plan.settings.batch_size
        self._slices = int((plan.folds != fold).sum())
        self._said = time.monotonic()
        self._before = 0

    def batch(self, epoch: int, batch: int, batches: int) -> None:
        now = time.monotonic()
        if batch == 1:  # what it took may include the scoring before it, or compiling
            self._before, self._said = 1, now
        if now - self._said < _EVERY_S:
            return
        rate = (batch - self._before) * self._size / (now - self._said)
        self._before, self._said = batch, now
        _say({"batch": [epoch, batch, batches], "rate": round(rate, 1)})

    def rate_of(self, record: EpochRecord) -> float:
        """Return the slices a second of a whole epoch, scoring included."""
        return round(self._slices / max(record.seconds, 1e-9), 1)


def _end_with_parent() -> None:
    """End this process once standard input is closed. What it writes appears by rename."""

    def wait() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def limit_threads(threads: int) -> None:
    """Keep to `threads` cores, so that folds side by side do not disturb each other."""
    import cv2
    import tensorflow as tf

    cv2.setNumThreads(1)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)


def _say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
