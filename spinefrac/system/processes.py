"""Python processes beside this one: how they start, whether one still runs, which go first."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import psutil

import spinefrac
from spinefrac import settings

#: A process with the same number whose start time differs by more is another one. The clock may
#: have been set meanwhile, so the times need not be equal.
_START_TIME_TOLERANCE_S = 5.0
#: Of processes that can wait; 0 is the others'.
_NICENESS = 10


def start_detached(
    *arguments: str, output: int | IO[bytes] = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start Python as a process that outlives this one, in the folder HOME.

    Parameters
    ----------
    *arguments : str
        Of the interpreter.
    output : file or int
        What it prints goes there; as for `subprocess.Popen`.

    Raises
    ------
    OSError
        If HOME does not exist.
    """
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        options = {"creationflags": flags}
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd=settings.home(),
        env=build_environment(),
        **options,
    )


def build_environment() -> dict[str, str]:
    """Return the environment in which another process finds this package and this home."""
    package = str(Path(spinefrac.__file__).resolve().parents[1])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "SPINEFRAC_HOME": str(settings.home()),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def start_time(pid: int) -> float | None:
    """Return when a process started, in seconds since 1970; None where there is none."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def is_alive(pid: int, started: float | None = None) -> bool:
    """Return whether a process of this machine is running.

    Parameters
    ----------
    pid : int
    started : float, optional
        Its `start_time` when it was seen: the system uses numbers again.

    Returns
    -------
    bool
        False also for a zombie, which has ended and waits for its parent to notice.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return started is None or abs(process.create_time() - started) < _START_TIME_TOLERANCE_S
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # another user's, so it exists
        return True


def lower_priority() -> None:
    """Let other processes go first: this one, and those that it starts, can wait."""
    lower = psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else _NICENESS
    with suppress(psutil.Error, OSError):  # a system may forbid it
        psutil.Process().nice(lower)
