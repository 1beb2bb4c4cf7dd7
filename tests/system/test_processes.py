"""A process is told from one that has ended, and from another that got its number."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spinefrac import settings
from spinefrac.system import processes


def test_this_process_lives():
    started = processes.start_time(os.getpid())
    assert processes.is_alive(os.getpid()) and processes.is_alive(os.getpid(), started)


def test_another_process_with_the_same_number_is_not_it():
    assert not processes.is_alive(os.getpid(), processes.start_time(os.getpid()) - 60)


@pytest.mark.skipif(sys.platform == "win32", reason="zombies are POSIX")
def test_one_that_has_ended_is_dead_also_before_its_parent_notices():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    assert processes.is_alive(child.pid)
    os.kill(child.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while processes.is_alive(child.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not processes.is_alive(child.pid)  # nobody has waited for it yet
    child.wait()
    assert not processes.is_alive(child.pid) and processes.start_time(child.pid) is None


def test_a_detached_process_has_the_same_home_and_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPINEFRAC_HOME", "here")  # from another folder it would be another home
    (tmp_path / "here").mkdir()
    code = "from spinefrac import settings; print(settings.home())"
    with (tmp_path / "said.txt").open("wb") as said:
        assert processes.start_detached("-c", code, output=said).wait(60) == 0
    assert Path((tmp_path / "said.txt").read_text().strip()) == settings.home()
    assert settings.home() == tmp_path / "here"


@pytest.mark.skipif(sys.platform == "win32", reason="niceness is POSIX")
def test_a_process_and_its_children_can_let_others_go_first():
    code = (
        "import os, subprocess, sys\n"
        "from spinefrac.system import processes\n"
        "before = os.nice(0)\n"
        "processes.lower_priority()\n"
        "print(before < os.nice(0))\n"
        "child = [sys.executable, '-c', 'import os; print(os.nice(0))']\n"
        "print(int(subprocess.check_output(child)) == os.nice(0))\n"
    )
    told = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert told.split() == ["True", "True"]
