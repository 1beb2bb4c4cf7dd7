"""Whether a process that was seen earlier is still running."""

from __future__ import annotations

import psutil

#: A process with the same number whose start time differs by more is another one. The clock may
#: have been set meanwhile, so the times need not be equal.
_START_TIME_TOLERANCE_S = 5.0


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
