"""Python processes that a test kills at a chosen moment."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

#: Loaded once in a process that does nothing else; each process to be killed is forked from it.
_PRELOADED = ("spinefrac.exchange.export", "spinefrac.exchange.import_model", __name__)


def fork_and_kill(
    function: Callable[..., None], *arguments: object, home: Path, after: float | None
) -> float:
    """Call a function in a process of its own and kill that, or let it end well.

    As `run_and_kill`, but the process has imported everything when it begins: for many moments.

    Parameters
    ----------
    function : callable
        Of this module.
    *arguments
    home : Path
        The process's ``SPINEFRAC_HOME``.
    after : float or None
        Seconds until it is killed, unless it has ended before; None to let it end.

    Returns
    -------
    float
        Seconds until it ended.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    child = context.Process(target=_call_in_home, args=(home, function, arguments))
    child.start()
    started = time.perf_counter()
    child.join(after)
    if after is None:
        assert child.exitcode == 0
    child.kill()
    child.join()
    return time.perf_counter() - started


def _call_in_home(home: Path, function: Callable[..., None], arguments: tuple[object, ...]) -> None:
    os.environ["SPINEFRAC_HOME"] = str(home)
    function(*arguments)


def export_saved_model(name: str, target: Path) -> None:
    """Export a saved model."""
    from spinefrac.exchange import export
    from spinefrac.store import repository

    export.export_model(repository.load(name), target)


def import_onnx_network(source: Path, name: str) -> None:
    """Import a network whose input is in 0…1."""
    from spinefrac.exchange import import_model

    declared = import_model.DeclaredIO(scale="0..1", positive_class=1)
    import_model.import_file(source, name, user_io=declared)


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
