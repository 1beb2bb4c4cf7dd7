"""Processes that train the folds of a run, one fold after another.

A fold trains in a process (`spinefrac.training.runner.worker`), because TensorFlow's number of
threads is fixed once a process has used it, and because a crash then costs that process only. To
start one takes seconds, most of them for importing TensorFlow: so a process that has trained a fold
waits for the next one of its run. It ends when the run ends, when its memory has grown, or when
none comes.
"""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from spinefrac import errors
from spinefrac.errors import SpinefracError, TrainingError
from spinefrac.system import memory_shortage, processes
from spinefrac.training import workspace

_STDERR_TAIL_LINES = 5
#: Beginnings of the lines that TensorFlow prints whenever it is loaded, whatever its log level.
_STARTUP_LOG_PREFIXES = (
    "I0000 ",
    "WARNING: All log messages before absl",
    "To enable the following",
)
#: How long a process waits for the next fold.
_MAX_IDLE_S = 60.0
#: A process trains no further fold once it holds so many times what it held after its first one:
#: TensorFlow keeps graphs that it no longer needs.
_MAX_GROWTH = 1.5


class FoldCrashError(TrainingError):
    """A fold's process ended without an error message; its checkpoint allows another try."""


class FoldProcess:
    """A process that trains folds of one run, one after another.

    Parameters
    ----------
    folder : Path
        Of the workspace.
    threads : int
        Cores that it uses.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        self.folder, self.threads = folder, threads
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in `close`
        self._process = subprocess.Popen(
            [sys.executable, "-m", "spinefrac.training.runner.worker", folder, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            env={**processes.build_environment(), "OMP_NUM_THREADS": str(threads)},
        )
        self._is_training = False
        self._memory_after_first_fold = 0
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._forward_lines, daemon=True).start()

    def _forward_lines(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def train(self, fold: int) -> Iterator[dict[str, Any] | None]:
        """Train a fold, from its checkpoint where there is one.

        Yields
        ------
        dict or None
            What the process tells, and None at least once a second.

        Raises
        ------
        FoldCrashError
            The process ended without an error message.
        SpinefracError
            The error of the fold; a TrainingError where memory was lacking.
        """
        oom_kills = memory_shortage.count_oom_kills()
        self._is_training = True
        assert self._process.stdin is not None
        with suppress(OSError):  # it has ended: so will its lines
            print(fold, file=self._process.stdin, flush=True)
        while True:
            try:
                line = self._lines.get(timeout=1.0)
            except queue.Empty:
                yield None
                continue
            if line is None:
                raise explain_crash(fold, self._process.wait(), self._read_stderr(), oom_kills)
            # A library may print to standard output; only our own lines are JSON objects.
            message = json.loads(line) if line.startswith("{") else {}
            if "done" in message:
                self._is_training = False
                return
            if "error" in message:
                raise _parse_error(message)
            if message:
                yield message

    def _read_stderr(self) -> list[str]:
        self._stderr.seek(0)
        return self._stderr.readlines()

    def is_fit_for_another(self) -> bool:
        """Whether it may train another fold: it is alive and at rest, and has not grown."""
        try:
            memory = psutil.Process(self.pid).memory_info().rss
        except psutil.Error:
            return False
        if self._is_training:
            return False
        self._memory_after_first_fold = self._memory_after_first_fold or memory
        return memory <= _MAX_GROWTH * self._memory_after_first_fold

    def close(self) -> None:
        """End it now."""
        self._process.kill()
        self._process.wait()
        self._stderr.close()


@dataclass(frozen=True, eq=False)
class _IdlePeriod:
    """A time for which a process waits for another fold; the timer of one ends no later one."""

    process: FoldProcess


_lock = threading.Lock()
_idle: list[_IdlePeriod] = []


@contextmanager
def use_process(folder: Path, threads: int) -> Iterator[FoldProcess]:
    """Yield a process for one fold: one that has trained another fold of the run, or a new one.

    It is kept for the next fold, unless an exception passes through here.

    Parameters
    ----------
    folder : Path
        Of the workspace.
    threads : int
    """
    process = _take_idle(folder, threads) or FoldProcess(folder, threads)
    try:
        yield process
    except BaseException:
        process.close()
        raise
    if not process.is_fit_for_another():
        process.close()
        return
    period = _IdlePeriod(process)
    with _lock:
        _idle.append(period)
    end_later = threading.Timer(_MAX_IDLE_S, _end_idle, [lambda other: other is period])
    end_later.daemon = True
    end_later.start()


def _take_idle(folder: Path, threads: int) -> FoldProcess | None:
    """Return a process that fits; where none does, end all, so that theirs is no lost memory."""
    with _lock:
        for period in _idle:
            if (period.process.folder, period.process.threads) == (folder, threads):
                _idle.remove(period)
                return period.process
    _end_idle(lambda period: True)
    return None


def end_processes(folder: Path) -> None:
    """End the processes that wait for another fold of a workspace."""
    _end_idle(lambda period: period.process.folder == folder)


def _end_idle(is_meant: Callable[[_IdlePeriod], bool]) -> None:
    with _lock:
        ended = [period for period in _idle if is_meant(period)]
        _idle[:] = [period for period in _idle if period not in ended]
    for period in ended:
        period.process.close()


def explain_crash(fold: int, code: int, stderr: list[str], oom_kills: int | None) -> TrainingError:
    """Return the error of a process that ended without one; lack of memory is not tried again.

    Parameters
    ----------
    fold : int
    code : int
        With which the process ended, negative for a signal.
    stderr : list of str
        The lines of its standard error.
    oom_kills : int or None
        What `memory_shortage.count_oom_kills` returned before.
    """
    reason = _describe_crash(fold, code, stderr)
    is_killed = code == -signal.SIGKILL and memory_shortage.has_killed_since(oom_kills)
    if is_killed or memory_shortage.describes_shortage(reason):
        return TrainingError(f"{reason}. This is a lack of memory: {workspace.MEMORY_REMEDY}")
    return FoldCrashError(reason)


def _describe_crash(fold: int, code: int, stderr: list[str]) -> str:
    lines = [line.strip() for line in stderr if not line.startswith(_STARTUP_LOG_PREFIXES)]
    last = " | ".join(lines[-_STDERR_TAIL_LINES:])
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return f"the process of fold {fold + 1} {how}; its last output: {last or 'none'}"


def _parse_error(message: dict[str, Any]) -> SpinefracError:
    """Return the error that a worker's message describes."""
    kind = getattr(errors, message["error"], TrainingError)
    error: SpinefracError = kind(message["message"])
    return error
