"""Work in a process of its own, for pages: it goes on when the browser or the server is closed.

The process writes its progress to a file, so that every server with the same HOME can show it.
What it makes, it leaves where such things belong; the file says only how far it is and how it
ended.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from spinefrac import settings
from spinefrac.errors import SpinefracError
from spinefrac.system import atomic, private_files, processes

#: Seconds between two writes of the progress.
_WRITE_INTERVAL_S = 0.5
#: Seconds after which the pace of a process says something about what is left.
_PACE_KNOWN_S = 2.0


@dataclass(frozen=True, slots=True)
class WorkProgress:
    """How far a process is.

    Attributes
    ----------
    running : bool
    done, total : int
        Files done, and all files; 0 of 0 at the beginning.
    error : str
        Why it ended without a result, empty where it did not.
    seconds : float
        Since its process was started; 0 where it has ended.
    """

    running: bool
    done: int = 0
    total: int = 0
    error: str = ""
    seconds: float = field(default=0.0, compare=False)

    @property
    def share(self) -> float:
        """What is done of all, 0…1."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At the pace until now; None before there is one."""
        if not self.running or not 0 < self.done < self.total or self.seconds < _PACE_KNOWN_S:
            return None
        return self.seconds / self.share * (1 - self.share)


def progress_path(kind: str, subject: Path) -> Path:
    """Return the file that holds the progress of work on a folder.

    Parameters
    ----------
    kind : str
        Of the work: the name of a folder in ``HOME/runs``.
    subject : Path
        What is worked on; however it is spelt, it has one file.
    """
    place = str(subject.expanduser().resolve()).encode("utf-8", "surrogateescape")
    return settings.runs_dir() / kind / f"run-{hashlib.sha256(place).hexdigest()[:32]}.json"


def start(path: Path, module: str, *arguments: str) -> None:
    """Start ``python -m module arguments`` as a process of its own, unless it is running.

    Parameters
    ----------
    path : Path
        The file of its progress.
    module : str
        Its main part calls `report_progress_of` with the same path.
    *arguments : str

    Raises
    ------
    OSError
        If HOME cannot be written.
    """
    if (progress := read_progress(path)) and progress.running:
        return
    private_files.make_folder(path.parent)
    process = processes.start_detached("-m", module, *arguments)
    started = processes.start_time(process.pid) or time.time()
    _write(path, {"process": process.pid, "started": started})


def read_progress(path: Path) -> WorkProgress | None:
    """Return the progress that a file tells, or None where nothing was started."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        process, started = int(state["process"]), float(state["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    done, total = int(state.get("done", 0)), int(state.get("total", 0))
    if error := str(state.get("error", "")):
        return WorkProgress(False, done, total, error)
    if state.get("finished"):
        return WorkProgress(False, done, total)
    if processes.is_alive(process, started):
        return WorkProgress(True, done, total, seconds=max(0.0, time.time() - started))
    return WorkProgress(
        False, done, total, "The work was stopped before it was done: start it again."
    )


def stop(path: Path) -> None:
    """End a process, if it is running, and forget it; what it has left elsewhere stays."""
    progress = read_progress(path)
    if progress and progress.running:
        number = int(json.loads(path.read_text(encoding="utf-8"))["process"])
        with suppress(psutil.Error):  # it has just ended
            process = psutil.Process(number)
            process.kill()
            process.wait(10)
    path.unlink(missing_ok=True)


def report_progress_of(
    path: Path, work: Callable[[Callable[[int, int], None]], object], advice: str
) -> int:
    """Do the work of a process, and write its progress and how it ends.

    Parameters
    ----------
    path : Path
        The file of its progress.
    work : callable
        Called with a function that takes what is done and what there is in all.
    advice : str
        What to do after an unexpected error, as a clause.

    Returns
    -------
    int
        The exit status: 0 where the work was done.
    """
    started = processes.start_time(os.getpid()) or time.time()
    state: dict[str, Any] = {"process": os.getpid(), "started": started}
    written = 0.0

    def report(done: int, total: int) -> None:
        nonlocal written
        if done == total or time.monotonic() - written > _WRITE_INTERVAL_S:
            written = time.monotonic()
            state.update(done=done, total=total)
            _write(path, state)

    private_files.make_folder(path.parent)
    try:
        work(report)
    except SpinefracError as error:
        _write(path, {**state, "error": str(error)})
        return 1
    except Exception as error:
        _write(path, {**state, "error": f"Unexpected {type(error).__name__}: {advice}."})
        raise
    _write(path, {**state, "finished": True})
    return 0


def _write(path: Path, state: Mapping[str, object]) -> None:
    """Replace the progress; a reader that has the file open on Windows only delays the next."""
    try:
        atomic.write_bytes(path, json.dumps(state).encode(), durable=False)
    except PermissionError:
        if sys.platform != "win32":
            raise
