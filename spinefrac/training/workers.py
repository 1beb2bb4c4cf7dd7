"""Train folds side by side, each in a process of its own.

TensorFlow locks up after a fork and a spawned pool imports the caller's script again, so every
fold is a fresh interpreter that is given a folder and a number and answers in lines of JSON.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from spinefrac import errors
from spinefrac.errors import SpinefracError, TrainingError
from spinefrac.records import EpochRecord, FoldResult
from spinefrac.training.plan import Plan

_LAST_LINES = 5


@dataclass
class _Running:
    """A fold's process and where its error output goes."""

    process: subprocess.Popen[str]
    stderr: IO[str]


def train_folds(
    plan: Plan, workers: int, on_epoch: Callable[[EpochRecord], None] | None = None
) -> list[FoldResult]:
    """Train every fold of a plan that lies in its folder.

    Parameters
    ----------
    plan : Plan
        Already written.
    workers : int
        Processes at the same time; the cores are shared out between them.
    on_epoch : callable, optional
        Called in this thread with every epoch of every fold.

    Returns
    -------
    list of FoldResult
        In the order of the folds.

    Raises
    ------
    TrainingError
        A fold failed; the others are stopped.
    """
    waiting = list(range(plan.settings.folds))
    running: dict[int, _Running] = {}
    messages: queue.Queue[tuple[int, dict[str, Any] | None]] = queue.Queue()
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                fold = waiting.pop(0)
                threads = _threads(plan.settings.folds - fold, workers)
                running[fold] = _start(plan, fold, threads, messages)
            fold, message = messages.get()
            if message is None:
                _finish(running.pop(fold), fold)
            elif "epoch" in message and on_epoch:
                on_epoch(EpochRecord(**message["epoch"]))
            elif "error" in message:
                raise _error(message)
    finally:
        for other in running.values():
            _stop(other)
    return [plan.read_result(fold) for fold in range(plan.settings.folds)]


def _threads(folds_left: int, workers: int) -> int:
    """Return a fold's share of the cores: the last folds also take those that stand idle."""
    return max(1, (os.cpu_count() or 1) // min(workers, folds_left))


def _start(
    plan: Plan, fold: int, threads: int, messages: queue.Queue[tuple[int, dict[str, Any] | None]]
) -> _Running:
    """Start a fold's process and a thread that puts its lines on `messages`, None at the end."""
    stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
    process = subprocess.Popen(
        [sys.executable, "-m", "spinefrac.training.worker", plan.folder, str(fold), str(threads)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": str(threads)},
    )

    def forward() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            # A library may print to standard output; only our own lines are objects.
            if line.startswith("{"):
                messages.put((fold, json.loads(line)))
        messages.put((fold, None))

    threading.Thread(target=forward, daemon=True).start()
    return _Running(process, stderr)


def _finish(fold_process: _Running, fold: int) -> None:
    """Reap a process whose output has ended; raise where it did not end well."""
    code = fold_process.process.wait()
    with fold_process.stderr as stderr:
        if code == 0:
            return
        stderr.seek(0)
        last = " | ".join(line.strip() for line in stderr.readlines()[-_LAST_LINES:])
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    raise TrainingError(
        f"the process of fold {fold} {how}; its last words: {last or 'none'}. "
        "Free some memory or train with fewer workers, then train again"
    )


def _stop(fold_process: _Running) -> None:
    fold_process.process.kill()
    fold_process.process.wait()
    with suppress(OSError):
        fold_process.stderr.close()


def _error(message: dict[str, Any]) -> SpinefracError:
    """Turn a worker's error line back into the error that it was."""
    kind = getattr(errors, message["error"], TrainingError)
    error: SpinefracError = kind(message["message"])
    return error
