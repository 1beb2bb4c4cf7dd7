"""Memory that was freed goes back to the system."""

import subprocess
import sys
import threading
import time

import pytest

from spinefrac.system import memory_release

#: Frees 100 MB between blocks that stay, as sessions do, and prints how many MB are left.
PROGRAM = """
import psutil
from spinefrac.system import memory_release
{first}
warm = bytearray(30 << 20)
del warm  # raises the size from which blocks are mapped alone
before = psutil.Process().memory_info().rss
kept = []
held = [(kept.append(bytes(2000)), bytearray({mb} << 20))[1] for _ in range(100 // {mb})]
del held
{then}
print((psutil.Process().memory_info().rss - before) >> 20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the GNU C library")
@pytest.mark.parametrize(
    ("first", "mb", "then"),
    [
        ("memory_release.limit_retention()", 5, ""),
        ("memory_release.limit_retention()", 1, "memory_release.trim()"),
        ("", 1, "memory_release.release_memory()"),
    ],
)
def test_freed_memory_leaves_the_process(first, mb, then):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(first=first, mb=mb, then=then)],
        capture_output=True,
        text=True,
    )
    assert int(done.stdout) < 20, done.stderr


def test_requests_share_a_call_and_a_late_one_gets_its_own(monkeypatch):
    calls, called = [], threading.Semaphore(0)

    def release():
        calls.append(time.monotonic())
        called.release()

    monkeypatch.setattr(memory_release, "release_memory", release)
    delayed = memory_release.DelayedRelease(0.05)
    for _ in range(5):
        delayed.request()
    assert called.acquire(timeout=10) and called.acquire(timeout=10)
    assert not called.acquire(timeout=0.2) and len(calls) == 2
    delayed.request()
    assert called.acquire(timeout=10)
