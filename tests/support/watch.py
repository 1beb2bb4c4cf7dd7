"""Wait for runs and find their processes."""

import time
from contextlib import suppress
from pathlib import Path

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
        return [p for p in children if "spinefrac.training.runner.worker" in " ".join(p.cmdline())]
    except psutil.NoSuchProcess:
        return []


def let_others_first(runner: int) -> None:
    """Have a runner's folds train only on what other processes leave of the processor."""
    for process in fold_processes(runner):
        with suppress(psutil.NoSuchProcess):
            process.nice(19)


def fill(disk: Path) -> None:
    """Leave no room on a small disk; removing its file ``fill`` makes room again."""
    with suppress(OSError), (disk / "fill").open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))
