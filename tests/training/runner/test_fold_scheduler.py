"""Cores are shared out between the folds that train side by side; no epoch is lost on the way."""

from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest

from spinefrac.records import EpochRecord, FoldResult
from spinefrac.training import runs
from spinefrac.training.runner import fold_scheduler
from spinefrac.training.runner.dask_tasks import FoldOutput, WorkspaceLocation
from spinefrac.training.runner.journal import RunJournal
from spinefrac.training.workspace import compute_sha256
from tests.support.runs import submit


@pytest.mark.parametrize(
    ("cores", "workers", "threads"),
    [(8, 2, [4, 4, 4, 4, 8]), (2, 1, [2] * 5), (2, 4, [1, 1, 1, 1, 2]), (1, 3, [1] * 5)],
)
def test_the_last_folds_take_the_cores_that_are_idle(
    quick, monkeypatch, cores: int, workers: int, threads: list[int]
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    settings = replace(quick, folds=5, workers=workers)
    assert [fold_scheduler._count_threads(settings, fold) for fold in range(5)] == threads


def test_an_epoch_whose_message_did_not_arrive_before_the_end_of_its_fold_is_recorded(
    folder, quick, plan
) -> None:
    run = submit(folder, quick)
    history = tuple(EpochRecord(0, n, 0.5, 0.4, 0.9, 1e-3, 2.0) for n in (1, 2))
    weights = plan.weights_path(0)
    weights.write_bytes(b"weights")
    plan.write_result(FoldResult(0, weights, np.arange(24), np.zeros(24), history, 4.0))
    trained: Future[FoldOutput] = Future()
    trained.set_result(FoldOutput(0, compute_sha256(weights), {}))
    journal = RunJournal(run.id, 1)
    journal.record_epoch(history[0], 40.0)
    where = WorkspaceLocation(str(plan.folder), "")
    state = fold_scheduler._SchedulerState(plan, None, journal, where, True, [])
    state.running[0] = fold_scheduler._RunningFold(trained, "inproc://1", "key", True)
    fold_scheduler._finish_fold(state, 0)
    fold = runs.get_progress(run.id).folds[0]
    assert (fold.state, fold.history) == ("done", history)
    assert len(runs.list_events(run.id, kinds=["epoch"])) == 2
