"""Runs as they are kept: submitted, refused, stopped, taken up again, without training any."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from spinefrac import settings as places
from spinefrac.errors import DatasetError, ModelError, RunError, TrainingError
from spinefrac.records import EpochRecord
from spinefrac.store.card import ParentModel
from spinefrac.training import runs
from spinefrac.training.runner.journal import RunJournal
from spinefrac.training.runs import database, estimates, lease
from tests.support.watch import fill, wait_until

OLD_CONFIG = {"threshold_rule": "youden", "cluster": None}


def submit(folder, quick, name="first", **options):
    return runs.submit(runs.RunRequest(folder, name, quick, **options), start_runner=False)


# --- submission ------------------------------------------------------------------------------


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


def empty(folder):
    for path in folder.rglob("*.png"):
        path.unlink()


def one_class(folder):
    shutil.rmtree(folder / "normal")


def unreadable(folder):
    for path in folder.rglob("*.png"):
        path.write_bytes(b"no picture")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (shutil.rmtree, "does not exist"),
        (empty, "are empty"),
        (one_class, "normal"),
        (unreadable, "read"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused(folder, quick, spoil, said):
    spoil(folder)
    with pytest.raises(DatasetError, match=said):
        submit(folder, quick)
    assert runs.list_runs() == ()


def test_some_unreadable_files_are_left_out_and_told(folder, quick):
    (folder / "normal/P00_1.png").write_bytes(b"no picture")
    assert submit(folder, quick).images == 47
    ((path, reason),) = runs.summarize_folder(folder).unreadable
    assert path == "normal/P00_1.png" and reason


def test_folders_outside_the_roots_are_refused_links_included(folder, quick, tmp_path):
    roots = (tmp_path / "open",)
    roots[0].mkdir()
    (roots[0] / "link").symlink_to(folder)
    for path in (folder, roots[0] / "link", roots[0] / ".." / "slices"):
        with pytest.raises(DatasetError, match="inside the data roots"):
            submit(path, quick, roots=roots)
    inside = shutil.copytree(folder, roots[0] / "slices")
    assert submit(inside, quick, roots=roots).state == "queued"


def test_a_server_submits_without_opening_a_slice(folder, quick):
    for path in folder.rglob("*.png"):
        path.write_bytes(b"never looked at")
    run = submit(folder, quick, list_only=True)
    assert (run.images, run.groups, run.fingerprint) == (48, 0, "")
    journal = RunJournal(run.id, 1)
    journal.record_dataset("f" * 64, 47, 12)  # as the runner does, once it knows
    journal.flush(force=True)
    run = runs.get_run(run.id)
    assert (run.images, run.groups, run.fingerprint) == (47, 12, "f" * 64)


def test_more_folds_than_patients_are_refused(folder, quick):
    with pytest.raises(DatasetError, match="Use 12 folds"):
        submit(folder, replace(quick, folds=13))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weights": "imagenet"}, "has no ImageNet weights"),
        ({"weights": "no-such.weights.h5"}, r"no weights file no-such\.weights\.h5"),
    ],
)
def test_weights_that_are_not_there_are_refused(folder, quick, changes, said):
    with pytest.raises(TrainingError, match=said):
        submit(folder, replace(quick, **changes))


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
    assert runs.get_run(run.id).state in ("queued", "cancelled")


# --- the database ----------------------------------------------------------------------------


def test_a_locked_database_is_said_and_reading_goes_on(folder, quick, monkeypatch):
    run = submit(folder, quick)
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.2)
    monkeypatch.setattr(database.write_transaction.__wrapped__, "__defaults__", (0.2,))
    other = sqlite3.connect(database.database_path(), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RunError, match="kept by another program"):
        runs.cancel(run.id)
    assert runs.get_progress(run.id).run.state == "queued"
    journal = RunJournal(run.id, 1)
    journal.log("said while it was locked")  # waits in memory
    other.execute("ROLLBACK")
    other.close()
    journal._retry_at = 0.0
    journal.flush(force=True)
    assert "said while it was locked" in [line for _, line in runs.get_progress(run.id).log]


# --- looking ---------------------------------------------------------------------------------


def test_runs_are_listed_as_they_will_be_executed_then_the_newest_first(folder, quick):
    for name in ("a", "b", "c", "d"):
        submit(folder, quick, name)
        time.sleep(0.01)
    runs.cancel("a")
    runs.cancel("c")
    runs.resume("a", start_runner=False)
    assert [run.name for run in runs.list_runs()] == ["b", "d", "a", "c"]
    assert [runs.get_progress(name).position for name in ("b", "d", "a", "c")] == [1, 2, 3, None]
    assert [run.name for run in runs.list_runs(limit=2)] == ["b", "d"]


def test_progress_counts_an_epoch_once_and_the_newest_time(folder, quick):
    run = submit(folder, replace(quick, epochs=4))
    first = RunJournal(run.id, 1)
    for number, loss in ((1, 0.9), (2, 0.8)):
        first.record_epoch(EpochRecord(0, number, loss, 0.5, float("nan"), 1e-3, 2.0), 40.0)
    again = RunJournal(run.id, 2)
    again.record_epoch(EpochRecord(0, 2, 0.7, 0.5, 0.6, 1e-3, 2.0), 50.0)  # trained once more
    again.record_epoch(EpochRecord(0, 1, 0.1, 0.5, 0.6, 1e-3, 2.0), None)  # known: not noted again
    again.record_batch(0, "worker 1", (3, 1, 2), 60.0)
    again.flush(force=True)
    fold = runs.get_progress(run.id).folds[0]
    assert [record.loss for record in fold.history] == [0.9, 0.7]
    assert np.isnan(fold.history[0].val_auc) and fold.auc == 0.6
    assert (fold.epoch, fold.images_per_second, fold.worker) == (2, 60.0, "worker 1")
    epochs = runs.list_events(run.id, kinds=["epoch"])
    assert [(event.epoch, event.attempt) for event in epochs] == [(1, 1), (2, 1), (2, 2)]
    assert runs.list_events(run.id, after=epochs[-1].id) == ()


def test_an_estimate_comes_from_what_was_measured_here(folder, quick):
    submit(folder, quick)
    quick = replace(quick, workers=2)
    assert runs.estimate_duration(100, quick) is None
    with database.write_transaction() as connection:
        estimates.record_rate(connection, quick, 50.0, 6.0)
    estimate = runs.estimate_duration(100, quick)
    # Images, epochs, k-1 folds, two of which train side by side; and what every run takes.
    assert estimate.seconds == pytest.approx(100 * 2 * 1 / 100.0 + 6)
    assert estimate.low < estimate.seconds < estimate.high and "100 images" in estimate.basis
    larger = replace(quick, preprocessing=replace(quick.preprocessing, size=64))
    assert runs.estimate_duration(100, larger).seconds == pytest.approx(4 * 2 + 6)


@pytest.mark.slow
def test_a_few_batches_are_tried_where_nothing_is_known(folder, quick):
    assert runs.estimate_duration(100, quick) is None and not runs.is_probe_running()
    assert runs.start_throughput_probe(quick) and not runs.start_throughput_probe(quick)
    wait_until(lambda: not runs.is_probe_running())
    assert runs.estimate_duration(100, quick).seconds > 0


def test_what_does_not_exist_is_said(folder, quick):
    for look in (runs.get_run, runs.get_progress, runs.cancel, runs.resume):
        with pytest.raises(RunError, match="no run 'nothing'"):
            look("nothing")
    submit(folder, quick)
    with pytest.raises(RunError, match="no run 'nothing'"):
        runs.get_run("nothing")


def test_looking_makes_no_database(home):
    assert runs.list_runs() == () and runs.get_runner_state() is None and not runs.ensure_runner()
    assert not database.database_path().exists()


# --- the queue and its runner ----------------------------------------------------------------


def test_a_queued_run_is_cancelled_at_once_and_can_be_taken_up(folder, quick):
    run = submit(folder, quick)
    assert runs.cancel(run.id).state == "cancelled"
    with pytest.raises(RunError, match="is cancelled already"):
        runs.cancel(run.id)
    resumed = runs.resume(run.id, workers=2, start_runner=False)
    assert resumed.state == "queued" and resumed.settings.workers == 2


def test_however_many_look_one_runner_starts(folder, quick, monkeypatch):
    """Six processes look at the same moment; the folder is gone, so the run ends soon."""
    run = submit(folder, quick)
    shutil.rmtree(folder)
    code = (
        "import sys, time\nfrom spinefrac.training import runs\n"
        "sys.stdin.read(1)\nprint(runs.ensure_runner())"
    )
    lookers = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    time.sleep(1.5)  # all are imported; those that are not come later, which does no harm
    answers = [looker.communicate("x")[0].strip() for looker in lookers]
    wait_until(lambda: not runs.get_run(run.id).is_open)
    ended = runs.get_run(run.id)
    assert answers.count("True") == 1, answers
    assert (ended.state, ended.error_kind, ended.attempts) == ("failed", "DatasetError", 1)
    assert ended.is_resumable and "does not exist" in ended.error
    wait_until(lambda: runs.get_runner_state() is None)


def test_a_dead_runner_is_seen_by_its_process_or_by_its_silence(folder, quick):
    run = submit(folder, quick)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    now = time.time()
    for pid, host, heartbeat, living in (
        (os.getpid(), lease.get_hostname(), now - 1000, True),  # at work, whatever the clock says
        (gone.pid, lease.get_hostname(), now, False),
        (1, "another-machine", now - 5, True),
        (1, "another-machine", now - 14, False),
    ):
        with database.write_transaction() as connection:
            connection.execute("UPDATE runs SET state = 'running'")
            connection.execute(
                "INSERT OR REPLACE INTO lease VALUES (1, 'token', ?, NULL, ?, ?)",
                (pid, host, heartbeat),
            )
        assert (runs.get_runner_state() is not None) is living
        assert runs.get_run(run.id).interrupted is not living


def test_a_cancelled_run_whose_runner_died_needs_none_to_end(folder, quick):
    run = submit(folder, quick)
    with database.write_transaction() as connection:
        connection.execute("UPDATE runs SET state = 'running'")
    assert runs.cancel(run.id).state == "cancelled"
