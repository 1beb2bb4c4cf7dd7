"""A phantom in a process of its own: progress, result, and what goes wrong."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from spinefrac.data.phantom import worker


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))


def test_the_end_is_told(tmp_path):
    out = tmp_path / "set"
    assert worker.read_progress(out) is None
    assert worker.main(out, 2, 1, 7, "easy") == 0
    found = worker.read_progress(out)
    assert (found.done, found.total, found.running, found.error) == (2, 2, False, "")
    assert len(list(out.glob("masks/*.png"))) >= 1


def test_a_folder_of_others_is_left_alone(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("mine")
    assert worker.main(tmp_path / "set", 2, 1, 7, "easy") == 1
    assert "is not empty" in worker.read_progress(tmp_path / "set").error


def test_the_processes_of_one_that_was_killed_end_with_it(tmp_path):
    command = [sys.executable, "-m", worker.__name__, str(tmp_path / "set"), "500", "12", "7"]
    process = subprocess.Popen([*command, "hard"], stdout=subprocess.DEVNULL)
    try:
        while len(children := psutil.Process(process.pid).children()) < 2:
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(2.0)  # they import, and know their parent then
    finally:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive
