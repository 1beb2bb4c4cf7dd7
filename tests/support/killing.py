"""Python processes that a test kills at a chosen moment."""

import subprocess
import sys
import time
from pathlib import Path


def run_and_kill(*command: object, after: float | None) -> float:
    """Run Python in a process of its own and kill it, or let it end well.

    Parameters
    ----------
    *command
        Arguments of the interpreter. The program prints ``ready`` once it has imported everything.
    after : float or None
        Seconds from then until it is killed; None to let it end.

    Returns
    -------
    float
        Seconds from then until it ended.
    """
    with subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        started = time.perf_counter()
        if after is None:
            assert child.wait() == 0
        else:
            time.sleep(after)
            child.kill()
            child.wait()
        return time.perf_counter() - started


def left_in(home: Path) -> list[str]:
    """Return the names of everything in a home's models folder but its lock."""
    return sorted(path.name for path in (home / "models").iterdir() if path.name != ".lock")
