"""A process trains one fold after another; what a crash says of memory."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from spinefrac.training.runner import fold_processes
from spinefrac.training.runner.fold_processes import FoldCrashError, use_process
from spinefrac.training.workspace import RunWorkspace


@pytest.mark.slow
def test_a_process_trains_the_next_fold_too_and_a_dead_one_is_replaced(plan: RunWorkspace) -> None:
    plan.write()
    with use_process(plan.folder, 1) as first:
        list(first.train(0))
    with use_process(plan.folder, 1) as second:
        assert second.pid == first.pid
        list(second.train(1))
    assert plan.read_result(0) and plan.read_result(1)
    os.kill(second.pid, signal.SIGKILL)
    dies = pytest.raises(FoldCrashError, match="fold 1 was killed by signal 9")
    with dies, use_process(plan.folder, 1) as dead:
        assert dead.pid == first.pid
        list(dead.train(0))
    with use_process(plan.folder, 1) as other:
        assert other.pid != first.pid
    fold_processes.end_processes(plan.folder)
    assert not psutil.pid_exists(other.pid)


def test_no_more_processes_wait_than_train(tmp_path: Path) -> None:
    """Their memory would be lacking: one that cannot be used again ends first."""
    with use_process(tmp_path, 1) as narrow:
        pass
    assert psutil.pid_exists(narrow.pid)
    with use_process(tmp_path, 2) as wide:
        assert not psutil.pid_exists(narrow.pid) and psutil.pid_exists(wide.pid)
    fold_processes.end_processes(tmp_path / "another")
    assert psutil.pid_exists(wide.pid)
    fold_processes.end_processes(tmp_path)
    assert not psutil.pid_exists(wide.pid)


def test_the_end_of_one_wait_does_not_end_a_process_that_waits_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[threading.Timer] = []
    monkeypatch.setattr(threading.Timer, "start", lambda wait: waits.append(wait))
    with use_process(tmp_path, 1) as process:
        pass
    with use_process(tmp_path, 1) as again:
        assert again is process
    for wait, is_there in zip(waits, (True, False), strict=True):
        wait.function(*wait.args)
        assert psutil.pid_exists(process.pid) is is_there


@pytest.mark.parametrize(
    ("script", "is_memory"),
    [
        ("import resource as r; r.setrlimit(r.RLIMIT_AS, (2**29, 2**29)); bytearray(2**31)", True),
        ("import os; os.abort()", False),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds to this limit")
def test_lack_of_memory_is_not_tried_again(script: str, is_memory: bool, tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w+") as stderr:
        code = subprocess.run([sys.executable, "-c", script], stderr=stderr).returncode
        stderr.seek(0)
        error = fold_processes.explain_crash(0, code, stderr.readlines(), None)
    assert isinstance(error, FoldCrashError) is not is_memory
    assert ("lack of memory" in str(error)) is is_memory
