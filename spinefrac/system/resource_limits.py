"""What a child process may use, and how the systems enforce it.

Linux enforces memory, processor time, file size and wall time; macOS all but memory; on Windows
only the parent's clock ends a child.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

_MIB = 1 << 20

#: Seconds after which a child ends itself, beyond the time after which its parent does so.
_ALARM_MARGIN_S = 2.0


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """What a child may use: private memory and file size in MiB, processor and wall seconds.

    Memory and file size are those of the process, the seconds those of one call.
    """

    memory_mib: int = 6144
    file_mib: int = 2048
    cpu_s: int = 300
    wall_s: float = 900


def limit_process(limits: ResourceLimits) -> None:
    """Set the limits of this process's memory and files, and have it leave no core dump."""
    if sys.platform == "win32":
        return
    import resource

    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, limits.file_mib * _MIB)
    # Private writable memory; unlike the address space it does not count what is only reserved.
    # macOS accepts the limit and does not enforce it.
    _limit(resource.RLIMIT_DATA, limits.memory_mib * _MIB)


@contextlib.contextmanager
def limit_time(limits: ResourceLimits) -> Iterator[None]:
    """Have the system end this process if the context takes longer than the limits allow.

    Signals with their default action do that even while native code keeps the interpreter.
    """
    if sys.platform == "win32":
        yield
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    _set_soft_limit(resource.RLIMIT_CPU, int(time.process_time()) + limits.cpu_s, hard)
    signal.setitimer(signal.ITIMER_REAL, limits.wall_s + _ALARM_MARGIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _set_soft_limit(resource.RLIMIT_CPU, hard, hard)


def _limit(which: int, value: int) -> None:
    import resource

    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def _set_soft_limit(which: int, value: int, hard: int) -> None:
    import resource

    if value != resource.RLIM_INFINITY and hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, hard))


def exit_with_parent() -> None:
    """Have Linux end this process when the thread that started it ends, however that happens."""
    if sys.platform == "linux":
        import ctypes

        set_death_signal = 1  # PR_SET_PDEATHSIG of prctl(2)
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)
