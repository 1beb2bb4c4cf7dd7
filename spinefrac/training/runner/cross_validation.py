"""Train a saved model from a folder of slices by grouped cross-validation, as a run."""

from __future__ import annotations

import math
from collections.abc import Callable

from spinefrac import errors
from spinefrac.errors import Cancelled, SpinefracError, TrainingError
from spinefrac.records import EpochRecord
from spinefrac.store import repository
from spinefrac.store.repository import SavedModel
from spinefrac.training import runs
from spinefrac.training.runs import Event, Run, RunRequest


def train(
    request: RunRequest,
    *,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    on_log: Callable[[str], None] | None = None,
) -> SavedModel:
    """Train by grouped k-fold cross-validation and save the fold ensemble.

    It is a run like any other: a runner executes it, after those that were queued before, and
    pages and command line show it. An exception in this call also cancels the run; it continues
    only where this process is killed.

    Parameters
    ----------
    request : RunRequest
    on_epoch : callable, optional
        Called with every finished epoch of every fold.
    on_log : callable, optional
        Called with every message of the run.

    Returns
    -------
    SavedModel

    Raises
    ------
    DatasetError
        The folder cannot be used, or not in so many folds.
    TrainingError
        A fold failed.
    ModelError
        The name is in use or not a name, or the model cannot be written.
    RunError
        A run that has not ended has the name, there is no room, or the runs' database fails.
    """
    run = runs.submit(request)
    try:
        for event in runs.follow(run.id):
            if event is not None:
                _dispatch_event(event, on_epoch, on_log)
    except BaseException:
        if runs.get_run(run.id).is_open:
            runs.cancel(run.id)
        raise
    return load_trained_model(runs.get_run(run.id))


def load_trained_model(run: Run) -> SavedModel:
    """Return the model of a run that has ended, or raise what it failed with."""
    if run.state == "done" and run.model:
        return repository.load(run.model)
    if run.state == "cancelled":
        raise Cancelled(f"the run {run.id} was cancelled; continue it with `spinefrac runs resume`")
    kind = getattr(errors, run.error_kind or "", TrainingError)
    error: SpinefracError = kind(run.error or "the run has not ended")
    raise error


def to_epoch_record(event: Event) -> EpochRecord:
    """Return the epoch of an event of the kind ``epoch``."""
    numbers = (event.loss, event.val_loss, event.val_auc, event.learning_rate, event.seconds)
    loss, val_loss, val_auc, learning_rate, seconds = (
        math.nan if number is None else number for number in numbers
    )
    assert event.fold is not None and event.epoch is not None
    return EpochRecord(event.fold, event.epoch, loss, val_loss, val_auc, learning_rate, seconds)


def _dispatch_event(
    event: Event,
    on_epoch: Callable[[EpochRecord], None] | None,
    on_log: Callable[[str], None] | None,
) -> None:
    if event.kind == "epoch" and on_epoch:
        on_epoch(to_epoch_record(event))
    elif event.kind in ("log", "fold") and on_log:
        on_log(event.message)
