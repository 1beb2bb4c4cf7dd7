"""Runs are submitted, cancelled and resumed, without training any."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from spinefrac import settings as places
from spinefrac.errors import BusyError, ModelError, RunError
from spinefrac.store.card import ParentModel
from spinefrac.system import budgets
from spinefrac.training import runs
from spinefrac.training.runs import database
from tests.support.runs import submit
from tests.support.watch import fill


def test_a_submitted_run_says_everything_of_itself(folder, quick):
    parent = ParentModel("phantom-demo", "0" * 64, "settings")
    run = submit(folder, quick, note="for a test", parent=parent)
    assert run == runs.get_run(run.id) == runs.get_run("first")
    assert (run.state, run.images, run.groups, run.note) == ("queued", 48, 12, "for a test")
    assert run.settings == quick and run.parent == parent and run.is_open
    assert {"spinefrac", "tensorflow", "keras"} <= set(run.versions)
    assert len(run.fingerprint) == 64 and run.id.startswith("first-")


def test_anyone_can_read_it_with_sqlite(folder, quick):
    run = submit(folder, quick)
    shell = sqlite3.connect(places.runs_dir() / "spinefrac.db")
    row = shell.execute(
        "SELECT name, state, json_extract(config, '$.settings.epochs'),"
        " datetime(submitted, 'unixepoch') FROM runs"
    ).fetchone()
    assert row[:3] == ("first", "queued", 2) and row[3].startswith("20")
    assert shell.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert shell.execute("SELECT run, kind, message FROM events").fetchall() == [
        (run.id, "state", "queued")
    ]
    shell.close()


def test_a_name_is_held_by_an_unfinished_run_and_by_a_model(folder, quick):
    run = submit(folder, quick)
    with pytest.raises(RunError, match=f"in use by the run {run.id}, which is queued"):
        submit(folder, quick)
    runs.cancel(run.id)
    again = submit(folder, quick)
    assert again.id != run.id
    with pytest.raises(RunError, match="in use"):
        runs.resume(run.id, start_runner=False)
    (places.models_dir() / "taken").mkdir(parents=True)
    with pytest.raises(ModelError, match="in use"):
        submit(folder, quick, "taken")
    with pytest.raises(ModelError, match="lower-case"):
        submit(folder, quick, "No Name")


def test_submitted_at_the_same_moment(folder, quick):
    """Two names make two queued runs; of one name, one is queued and the other is told."""
    runs.summarize_folder(folder)
    gate = threading.Barrier(4)

    def press(name):
        gate.wait()
        try:
            return submit(folder, quick, name).state
        except RunError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(press, ["one", "two", "same", "same"]))
    assert "in use" in answers[0] and answers[1:] == ["queued"] * 3
    assert {run.name for run in runs.list_runs()} == {"one", "two", "same"}


def test_a_full_disk_is_said_before_anything_is_queued(folder, quick, small_disk, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(small_disk / "home"))
    with pytest.raises(RunError, match="make room"):
        submit(folder, quick)
    assert runs.list_runs() == ()


def test_the_database_says_that_its_disk_is_full(folder, quick, small_disk, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(small_disk / "home"))
    monkeypatch.setattr("spinefrac.training.runs.validation.RESERVED_BYTES", 0)
    run = submit(folder, quick)
    fill(small_disk)
    with pytest.raises(RunError, match="full"):
        for _ in range(20):
            runs.cancel(run.id)
            runs.resume(run.id, start_runner=False)
    (small_disk / "fill").unlink()
    runs.cancel(run.id)
    assert runs.get_run(run.id).state == "cancelled"
    runs.resume(run.id, start_runner=False)
    assert runs.get_run(run.id).state == "queued"


def test_what_does_not_exist_is_said(folder, quick):
    for look in (runs.get_run, runs.get_progress, runs.cancel, runs.resume):
        with pytest.raises(RunError, match="no run 'nothing'"):
            look("nothing")
    submit(folder, quick)
    with pytest.raises(RunError, match="no run 'nothing'"):
        runs.get_run("nothing")


def test_a_queued_run_is_cancelled_at_once_and_can_be_taken_up(folder, quick):
    run = submit(folder, quick)
    assert runs.cancel(run.id).state == "cancelled"
    with pytest.raises(RunError, match="is cancelled already"):
        runs.cancel(run.id)
    resumed = runs.resume(run.id, workers=2, start_runner=False)
    assert resumed.state == "queued" and resumed.settings.workers == 2


def test_a_cancelled_run_whose_runner_died_needs_none_to_end(folder, quick):
    run = submit(folder, quick)
    with database.write_transaction() as connection:
        connection.execute("UPDATE runs SET state = 'running'")
    assert runs.cancel(run.id).state == "cancelled"


def test_a_server_queues_so_many_runs_and_the_command_line_any(folder, quick, monkeypatch):
    monkeypatch.setattr(budgets.RUNS, "total", 1)
    submit(folder, quick, "first", roots=(folder.parent,))
    with pytest.raises(BusyError, match=r"at most 1 queued runs on this server.*cancel one"):
        submit(folder, quick, "second", roots=(folder.parent,))
    assert submit(folder, quick, "third").state == "queued"
