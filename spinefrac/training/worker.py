"""The process that trains one fold: ``python -m spinefrac.training.worker FOLDER FOLD THREADS``.

It writes one JSON object a line to standard output: ``{"epoch": {…}}`` for every epoch, and at
last ``{"done": true}`` or ``{"error": kind, "message": …}``. It stops by itself, at the next
batch, when its standard input closes: that happens however the parent ends.
"""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spinefrac.errors import SpinefracError
from spinefrac.records import EpochRecord
from spinefrac.training.plan import Plan


def main(arguments: list[str]) -> int:
    """Train the fold that the command line names; see the module's docstring."""
    folder, fold, threads = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    orphaned = _watch_parent()
    try:
        _limit_threads(threads)
        from spinefrac.training.fold import train_fold

        plan = Plan.read(folder)
        result = train_fold(plan, fold, on_epoch=_say_epoch, cancelled=orphaned.is_set)
        plan.write_result(result)
    except SpinefracError as error:
        _say({"error": type(error).__name__, "message": str(error)})
        return 1
    _say({"done": True})
    return 0


def _watch_parent() -> threading.Event:
    """Return an event that is set once standard input is closed."""
    closed = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        closed.set()

    threading.Thread(target=wait, daemon=True).start()
    return closed


def _limit_threads(threads: int) -> None:
    """Keep to `threads` cores, so that folds side by side do not disturb each other."""
    import cv2
    import tensorflow as tf

    cv2.setNumThreads(1)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)


def _say_epoch(record: EpochRecord) -> None:
    _say({"epoch": asdict(record)})


def _say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
