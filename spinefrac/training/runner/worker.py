"""The process that trains folds, one after another.

``python -m spinefrac.training.runner.worker FOLDER THREADS`` trains each fold whose number comes as
a line of its standard input, from the fold's checkpoint in FOLDER, if any. It writes one JSON
object per line to standard output: ``{"resumed": [epoch records]}``, ``{"batch": …}`` about once a
second, ``{"epoch": …}`` for every epoch, and at last ``{"done": true}`` or ``{"error": kind,
"message": …}``, after which it ends. Before every batch it checks whether FOLDER holds a file named
``cancel``. It ends at once when its standard input closes, which happens however the parent ends.

A fold's numbers are those of a process of its own, to the bit: seeds come from the fold, and
nothing of Keras's state is kept.
"""

from __future__ import annotations

import functools
import json
import os
import queue
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spinefrac.errors import SpinefracError
from spinefrac.records import EpochRecord
from spinefrac.system.hidden_modules import lean_keras_import
from spinefrac.training import checkpoint
from spinefrac.training.workspace import RunWorkspace

#: Shortest time between two messages on batches.
_REPORT_INTERVAL_S = 1.0


def main(arguments: list[str]) -> int:
    """Train the folds that come on standard input; see the module's docstring."""
    folder, threads = Path(arguments[0]), int(arguments[1])
    folds = _read_folds()
    try:
        while True:
            _train_fold(folder, folds.get(), threads)
            _write_message({"done": True})
            _reset_keras()
    except SpinefracError as error:
        _write_message({"error": type(error).__name__, "message": str(error)})
        return 1


def _read_folds() -> queue.SimpleQueue[int]:
    """Return where the folds of standard input arrive; once that is closed this process ends.

    It may end at any moment, because its files are written atomically.
    """
    folds: queue.SimpleQueue[int] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            folds.put(int(line))
        os._exit(1)

    threading.Thread(target=read, daemon=True).start()
    return folds


def _reset_keras() -> None:
    """Release the network of a fold, and let the names of the next one begin anew."""
    import keras

    keras.utils.clear_session()


def _train_fold(folder: Path, fold: int, threads: int) -> None:
    plan = RunWorkspace.read(folder)
    done = checkpoint.read(plan.checkpoint_path(fold))
    _write_message({"resumed": [asdict(record) for record in done.history] if done else []})
    limit_threads(threads)
    from spinefrac.training.tensorboard import TensorBoardWriter
    from spinefrac.training.train_fold import FitCallbacks, train_fold

    logs = TensorBoardWriter(folder / "tensorboard" / f"fold-{fold}")
    report = _ProgressReporter(plan, fold)

    def on_epoch(record: EpochRecord) -> None:
        rate = report.compute_epoch_rate(record)
        logs.write_epoch(record, rate)
        _write_message({"epoch": asdict(record), "rate": rate})

    result = train_fold(
        plan,
        fold,
        FitCallbacks(on_epoch, report.report_batch, (folder / "cancel").exists),
        save_checkpoints=True,
    )
    plan.write_result(result)
    checkpoint.remove(plan.checkpoint_path(fold))


class _ProgressReporter:
    """Writes about once a second which batch is done, and the slices per second."""

    def __init__(self, workspace: RunWorkspace, fold: int) -> None:
        self._size = workspace.settings.batch_size
        self._slices = int((workspace.folds != fold).sum())
        self._last_report = time.monotonic()
        self._last_batch = 0

    def report_batch(self, epoch: int, batch: int, batches: int) -> None:
        now = time.monotonic()
        if batch == 1:  # its time may include the evaluation before it, or compiling
            self._last_batch, self._last_report = 1, now
        if now - self._last_report < _REPORT_INTERVAL_S:
            return
        rate = (batch - self._last_batch) * self._size / (now - self._last_report)
        self._last_batch, self._last_report = batch, now
        _write_message({"batch": [epoch, batch, batches], "rate": round(rate, 1)})

    def compute_epoch_rate(self, record: EpochRecord) -> float:
        """Return the slices per second of a whole epoch, with its evaluation."""
        return round(self._slices / max(record.seconds, 1e-9), 1)


@functools.cache
def limit_threads(threads: int) -> None:
    """Use `threads` cores at most, so that parallel folds do not slow each other down.

    TensorFlow accepts this before its first operation only, so one call counts.
    """
    import cv2

    with lean_keras_import():
        import tensorflow as tf

    cv2.setNumThreads(1)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)


def _write_message(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
