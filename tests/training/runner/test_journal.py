"""What the runner records of a run: every epoch once, and nothing lost to a locked database."""

import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from spinefrac.errors import RunError
from spinefrac.records import EpochRecord
from spinefrac.training import runs
from spinefrac.training.runner.journal import RunJournal
from spinefrac.training.runs import database
from tests.support.runs import submit


def test_a_locked_database_is_said_and_reading_goes_on(folder, quick, monkeypatch):
    run = submit(folder, quick)
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.2)
    monkeypatch.setattr(database.write_transaction.__wrapped__, "__defaults__", (0.2,))
    other = sqlite3.connect(database.database_path(), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RunError, match="locked by another program"):
        runs.cancel(run.id)
    assert runs.get_progress(run.id).run.state == "queued"
    journal = RunJournal(run.id, 1)
    journal.log("said while it was locked")  # waits in memory
    other.execute("ROLLBACK")
    other.close()
    journal._retry_at = 0.0
    journal.flush(force=True)
    assert "said while it was locked" in [line for _, line in runs.get_progress(run.id).log]


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


def test_a_number_of_folds_that_was_left_open_is_recorded(folder, quick):
    run = submit(folder, replace(quick, folds=None))
    assert runs.get_run(run.id).settings.folds is None
    assert len(runs.get_progress(run.id).folds) == 5  # as expected, until the slices are read
    journal = RunJournal(run.id, 1)
    journal.record_folds(3)
    journal.flush(force=True)
    assert runs.get_run(run.id).settings == replace(quick, folds=3)
    assert len(runs.get_progress(run.id).folds) == 3
