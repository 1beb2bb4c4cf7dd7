"""Work in a process of its own: what its file tells while it runs and once it has ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from spinefrac.errors import DatasetError
from spinefrac.system import background, processes


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return tmp_path / "runs" / "work" / "progress.json"


def test_work_that_ends_well(path):
    told = []

    def work(report):
        report(1, 2)
        told.append(background.read_progress(path))
        report(2, 2)

    assert background.report_progress_of(path, work, "do this") == 0
    assert told == [background.WorkProgress(running=True, done=1, total=2)]
    assert background.read_progress(path) == background.WorkProgress(False, 2, 2)


def test_an_error_of_ours_is_told_as_it_is(path):
    def work(report):
        raise DatasetError("the folder is empty: choose another")

    assert background.report_progress_of(path, work, "do this") == 1
    assert background.read_progress(path).error == "the folder is empty: choose another"


def test_another_error_is_raised_and_says_what_to_do(path):
    def work(report):
        raise ZeroDivisionError("secret")

    with pytest.raises(ZeroDivisionError):
        background.report_progress_of(path, work, "run the command")
    assert background.read_progress(path).error == "Unexpected ZeroDivisionError: run the command."


def test_a_process_that_vanished_is_told(path):
    background.start(path, "this")  # prints and ends, and writes nothing
    for _ in range(300):
        if not background.read_progress(path).running:
            break
        time.sleep(0.1)
    assert "stopped before it was done" in background.read_progress(path).error


@pytest.mark.parametrize("content", ["", "[]", "{", json.dumps({"process": "x", "started": 1})])
def test_a_damaged_file_is_none(path, content):
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert background.read_progress(path) is None


def test_stop_ends_the_process_that_it_knows_and_no_other(path):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    path.parent.mkdir(parents=True)
    state = {"process": process.pid, "started": processes.start_time(process.pid)}
    path.write_text(json.dumps(state))
    background.stop(path)
    process.wait(10)
    assert not processes.is_alive(state["process"], state["started"])
    assert background.read_progress(path) is None
    # Another process has the number of one that ended long ago: it is left alone.
    path.write_text(json.dumps({"process": os.getpid(), "started": 1.0}))
    background.stop(path)
    assert not path.exists()


def test_what_is_left_is_told_from_the_pace() -> None:
    quarter = background.WorkProgress(True, done=25, total=100, seconds=10.0)
    assert quarter.share == 0.25 and quarter.seconds_left == pytest.approx(30.0)
    for unknown in (
        background.WorkProgress(True, 0, 100, seconds=10.0),
        background.WorkProgress(True, 25, 100, seconds=0.5),
        background.WorkProgress(False, 100, 100),
    ):
        assert unknown.seconds_left is None
