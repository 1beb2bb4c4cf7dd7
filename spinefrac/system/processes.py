"""Whether a process that was seen earlier is still at work."""

from __future__ import annotations

import psutil

#: A process that started so many seconds apart from the one looked for is another one, which
#: got its number. The clock may have been set meanwhile, so equal times are not asked for.
_START_TIME_TOLERANCE_S = 5.0


def start_time(pid: int) -> float | None:
    """Return when a process started, in seconds since 1970; None where there is no such one."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def is_alive(pid: int, started: float | None = None) -> bool:
    """Return whether a process of this machine is at work.

    Parameters
    ----------
    pid : int
    started : float, optional
        Its `start_time` when it was seen: the system gives numbers away again.

    Returns
    -------
    bool
        False also for one that has ended and only waits for its parent to notice.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return started is None or abs(process.create_time() - started) < _START_TIME_TOLERANCE_S
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # somebody else's: it is there
        return True
