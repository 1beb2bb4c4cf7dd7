"""Give memory back to the system, where the C library would keep it for later."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from typing import Any

#: Parameters of mallopt(3) of the GNU C library.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

#: Blocks of this size and more are mapped alone and go back when freed; the library's own threshold
#: rises with every such block up to 32 MB. To map a block costs a page fault for each 4 KB of it: a
#: prediction has dozens of arrays of 1 MB, the pixels of a slice, which are below: `trim` returns
#: them.
_MAPPED_BYTES = 4 << 20


def limit_retention() -> None:
    """Have the allocator of a long-lived process keep little of what was freed."""
    library = _load_glibc()
    if library is not None:
        library.mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, _MAPPED_BYTES)
        library.mallopt(_M_ARENA_MAX, 2)  # every thread's own arena would keep memory of its own


def trim() -> None:
    """Return what the allocator holds without use; other threads go on meanwhile."""
    library = _load_glibc()
    if library is not None:
        library.malloc_trim(0)


def release_memory() -> None:
    """Collect cycles, then `trim`."""
    gc.collect()
    trim()


class DelayedRelease:
    """Calls `release_memory` some time after it was requested; requests meanwhile share a call.

    Parameters
    ----------
    delay_s : float
    """

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._is_requested_again = False

    def request(self) -> None:
        with self._lock:
            if self._timer is None:
                self._start_timer()
            else:
                self._is_requested_again = True

    def _start_timer(self) -> None:
        self._timer = threading.Timer(self._delay_s, self._release)
        self._timer.daemon = True
        self._timer.start()

    def _release(self) -> None:
        release_memory()
        with self._lock:
            self._timer = None
            if self._is_requested_again:
                self._is_requested_again = False
                self._start_timer()


def _load_glibc() -> Any:
    """Return the C library where it is that of GNU; None elsewhere."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
