"""Whether a process ended for lack of memory, by what it printed and by what the system counts."""

from __future__ import annotations

import re
from pathlib import Path

#: How Python, C++, TensorFlow, NumPy and the loader of libraries say it.
_SHORTAGE = re.compile(
    r"MemoryError|bad_alloc|cannot allocate memory|ResourceExhaustedError|OOM when allocating"
    r"|out of memory|failed to map segment|unable to allocate",
    re.IGNORECASE,
)


def describes_shortage(text: str) -> bool:
    """Return whether an error or the output of a process says that memory was lacking.

    >>> describes_shortage("terminate called after throwing an instance of 'std::bad_alloc'")
    True
    """
    return bool(_SHORTAGE.search(text))


def count_oom_kills() -> int | None:
    """Return how many processes Linux has ended for lack of memory; None if it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text("ascii").splitlines()
    except (OSError, ValueError):
        return None
    counts = [line.split()[1] for line in lines if line.startswith("oom_kill ")]
    return int(counts[0]) if counts else None


def has_killed_since(count: int | None) -> bool:
    """Return whether Linux has killed a process for lack of memory since `count_oom_kills`."""
    now = count_oom_kills()
    return count is not None and now is not None and now > count
