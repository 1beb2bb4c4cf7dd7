"""One reading for all who watch."""

import threading
import time

import pytest

from spinefrac.errors import RunError
from spinefrac.training import runs
from spinefrac.training.runs import live
from tests.support.runs import submit


def test_many_callers_at_once_share_one_reading(home):
    count, started = [], threading.Barrier(20)

    def read(key):
        count.append(key)
        time.sleep(0.05)
        return object()

    reader = live.SharedReader(read, interval_s=60)
    found = []

    def call():
        started.wait()
        found.append(reader.get("a"))

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count == ["a"] and len(set(map(id, found))) == 1


def test_a_reading_ends(home):
    reader = live.SharedReader(lambda key: object(), interval_s=0.0)
    assert reader.get("a") is not reader.get("a")
    reader = live.SharedReader(lambda key: object(), interval_s=60)
    first = reader.get("a")
    reader.forget()
    assert reader.get("a") is not first


def test_few_readings_are_kept(home):
    reader = live.SharedReader(lambda key: object(), interval_s=60)
    first = reader.get("0")
    for number in range(1, 100):
        reader.get(str(number))
    assert reader.get("0") is not first and len(reader._locks) <= 65


def test_an_error_is_not_kept(home, folder, quick):
    with pytest.raises(RunError):
        live.get_progress("first")
    submit(folder, quick)
    assert live.get_progress("first").run.state == "queued"


def test_who_changes_a_run_has_it_read_anew(home, folder, quick):
    submit(folder, quick)
    live.forget()
    assert live.get_progress("first") is live.get_progress("first")
    assert live.list_runs()[0].state == "queued"
    runs.cancel("first")
    live.forget()
    assert live.get_progress("first").run.state == live.list_runs()[0].state == "cancelled"
