"""Lack of memory is told from other ends of a process."""

import subprocess
import sys

import pytest

from spinefrac.system import memory_shortage


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8 GiB", True),
        ("ImportError: libx.so: failed to map segment from shared object", True),
        ("OSError: [Errno 12] Cannot allocate memory", True),
        ("ResourceExhaustedError: {{function_node}} OOM when allocating tensor", True),
        ("Segmentation fault", False),
        ("", False),
    ],
)
def test_what_libraries_say(text: str, expected: bool) -> None:
    assert memory_shortage.describes_shortage(text) is expected


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds to this limit")
def test_a_real_process_with_too_little_memory_says_so() -> None:
    script = "import resource as r; r.setrlimit(r.RLIMIT_AS, (2**29, 2**29)); bytearray(2**31)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.returncode != 0 and memory_shortage.describes_shortage(ended.stderr)


def test_the_count_of_the_system_only_rises() -> None:
    count = memory_shortage.count_oom_kills()
    assert count is None or count >= 0
    assert not memory_shortage.has_killed_since(None)
    if count is not None:
        assert memory_shortage.has_killed_since(count - 1)
