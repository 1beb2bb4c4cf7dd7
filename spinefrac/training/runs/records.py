"""Runs as frozen records, for the pages, the command line and Python.

Times are seconds since 1970, durations seconds, rates images (slices) per second.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spinefrac.records import EpochRecord
from spinefrac.store.card import ParentModel
from spinefrac.training.settings import TrainingSettings

#: States of a run that has not ended; it holds its name.
OPEN_STATES = ("queued", "running")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Dask cluster that trains the folds.

    Attributes
    ----------
    address : str
        ``tls://host:port`` of its scheduler; ``tcp://`` on this machine only.
    ca, cert, key : str
        Files (PEM): the authority, this client's certificate and its key. Empty for ``tcp://``.
    """

    address: str
    ca: str = ""
    cert: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What to train, with which settings: page, command line and Python submit this record.

    Attributes
    ----------
    folder : path
        Labelled slices, in one of the layouts of `spinefrac.data.folder_layouts`.
    name : str
        Of the model: lower-case letters, digits and hyphens.
    settings : TrainingSettings
    note : str
        Saved in the model card.
    threshold_rule : str
        See `spinefrac.evaluation.operating_point.choose_threshold`.
    cluster : Cluster or None
        Train the folds there instead of in processes of this machine.
    parent : ParentModel or None
        The saved model whose weights or settings it starts from, see
        `spinefrac.training.finetuning`.
    trained_by : str
        Who submits it, where they are signed in; saved in the model card.
    roots : tuple of Path or None
        Folders that the data must lie in; any folder may be read where it is None.
    list_only : bool
        Open no slice before the run is queued, because a server must not read a large folder.
        Without a saved audit the runner then finds the groups, and whether there are enough of
        them for the folds.
    """

    folder: str | os.PathLike[str]
    name: str
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    note: str = ""
    threshold_rule: str = "youden"
    cluster: Cluster | None = None
    parent: ParentModel | None = None
    trained_by: str = ""
    roots: tuple[Path, ...] | None = None
    list_only: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """One run in its current state.

    Attributes
    ----------
    id, name : str
        Of the run, and of the model that it makes.
    state : str
        ``queued``, ``running``, ``done``, ``failed`` or ``cancelled``.
    stage : str
        ``preparing``, ``training`` or ``saving`` once it has started, else empty.
    interrupted : bool
        Running, but its runner died: the next runner resumes it.
    cancelling : bool
        Running, and to be cancelled before the next batch.
    folder : str
        Of the data.
    settings : TrainingSettings
    note, threshold_rule : str
    cluster : Cluster or None
        None for processes of this machine.
    parent : ParentModel or None
        The saved model whose weights or settings it started from.
    trained_by : str
        Who submitted it, where they were signed in.
    fingerprint : str
    images, groups : int
        Of the data set.
    versions : dict
        Packages at submission.
    submitted : float
    queued : float
        When it was queued, last.
    started, ended : float or None
        Of the first attempt, and of the last.
    attempts : int
    model : str or None
        Id of the saved model, once done.
    result : dict or None
        As ``spinefrac train --json`` prints it, once done.
    error : str or None
        Why it failed, in one line.
    error_kind : str or None
        Name of the error in `spinefrac.errors`.
    """

    id: str
    name: str
    state: str
    stage: str
    interrupted: bool
    cancelling: bool
    folder: str
    settings: TrainingSettings
    note: str
    threshold_rule: str
    cluster: Cluster | None
    parent: ParentModel | None
    trained_by: str
    fingerprint: str
    images: int
    groups: int
    versions: dict[str, str]
    submitted: float
    queued: float
    started: float | None
    ended: float | None
    attempts: int
    model: str | None
    result: dict[str, Any] | None
    error: str | None
    error_kind: str | None

    @property
    def is_open(self) -> bool:
        """Whether it has not ended yet."""
        return self.state in OPEN_STATES

    @property
    def is_resumable(self) -> bool:
        """Whether `resume` would queue it again."""
        return self.state in ("failed", "cancelled")

    @property
    def seconds(self) -> float | None:
        """Time from its first start to its end; None before its end."""
        return None if self.started is None or self.ended is None else self.ended - self.started


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a run. Fields that its kind does not have are None.

    Attributes
    ----------
    id : int
        Increasing; `list_events` returns those after a given one.
    time : float
    run : str
    attempt : int or None
    kind : str
        ``state`` (queued, running, …), ``log``, ``epoch``, ``fold`` (started, done, lost) or
        ``worker``.
    fold, epoch : int or None
    batch_rate : float or None
        Images per second.
    loss, val_loss, val_auc, learning_rate, seconds : float or None
    message : str
    """

    id: int
    time: float
    run: str
    attempt: int | None
    kind: str
    fold: int | None
    epoch: int | None
    batch_rate: float | None
    loss: float | None
    val_loss: float | None
    val_auc: float | None
    learning_rate: float | None
    seconds: float | None
    message: str


@dataclass(frozen=True, slots=True)
class FoldProgress:
    """One fold of a run.

    Attributes
    ----------
    fold : int
        Counted from 0.
    state : str
        ``waiting``, ``training``, ``lost`` (its process died; it will be resumed) or ``done``.
    epoch, epochs : int
        Finished, and of how many.
    share : float
        Done, 0…1, with the batches of the current epoch.
    images_per_second : float or None
        The last measurement.
    worker : str
        The one that trains or trained it.
    history : tuple of EpochRecord
        Each finished epoch once, in order; `val_loss` and `val_auc` may be NaN.
    practised : float or None
        Done of the practice before the first epoch, 0…1; None where it does not practise now.
    """

    fold: int
    state: str
    epoch: int
    epochs: int
    share: float
    images_per_second: float | None
    worker: str
    history: tuple[EpochRecord, ...]
    practised: float | None = None

    @property
    def auc(self) -> float | None:
        """On the held-out slices after the last epoch."""
        return self.history[-1].val_auc if self.history else None


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker that trains folds: `state` is ``idle``, ``training`` or ``lost``."""

    name: str
    host: str
    state: str
    fold: int | None
    updated: float


@dataclass(frozen=True, slots=True)
class RunnerState:
    """The process that executes runs; `heartbeat` is the time of its last one."""

    pid: int
    host: str
    heartbeat: float


@dataclass(frozen=True, slots=True)
class RunProgress:
    """Everything that a page or a terminal shows of a run.

    Attributes
    ----------
    run : Run
    folds : tuple of FoldProgress
    share : float
        Done of the training, 0…1.
    seconds_left : float or None
        Expected until the folds are trained; None before the first epoch and after the last.
    position : int or None
        In the queue, counted from 1, where it is queued.
    workers : tuple of WorkerState
    log : tuple of (time, line)
        The last lines, the newest last.
    runner : RunnerState or None
        The active runner, or None.
    last_event : int
        Id of the newest event: while it is the same, nothing has happened.
    """

    run: Run
    folds: tuple[FoldProgress, ...]
    share: float
    seconds_left: float | None
    position: int | None
    workers: tuple[WorkerState, ...]
    log: tuple[tuple[float, str], ...]
    runner: RunnerState | None
    last_event: int


@dataclass(frozen=True, slots=True)
class FolderSummary:
    """What is in a folder, before anything is trained on it.

    Attributes
    ----------
    images, fracture, normal : int
        Slices, and how many of each class.
    groups : int
        0 where no slice was opened.
    group_rule, fingerprint : str
        Empty where no slice was opened.
    unreadable : tuple of (path, reason)
        Left out.
    notes : tuple of str
    group_counts : tuple of (group, fracture, normal)
        Slices of each group.
    """

    images: int
    fracture: int
    normal: int
    groups: int = 0
    group_rule: str = ""
    fingerprint: str = ""
    unreadable: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    group_counts: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class DurationEstimate:
    """How long training will take: `seconds`, between `low` and `high`; `basis` is the source."""

    seconds: float
    low: float
    high: float
    basis: str
