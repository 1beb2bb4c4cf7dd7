"""Wait for runs and find their processes."""

import time

import psutil


def wait_until(condition, seconds: float = 300.0) -> None:
    """Wait until it holds; a slow machine may take its time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def fold_processes(runner: int) -> list[psutil.Process]:
    """Return the processes that train a runner's folds now."""
    try:
        children = psutil.Process(runner).children(recursive=True)
        return [p for p in children if "spinefrac.training.worker" in " ".join(p.cmdline())]
    except psutil.NoSuchProcess:
        return []
