"""Train one fold: a pure function of a run's workspace and a fold number.

Either by gradient, or, where all backbones are frozen, by fits of the head on their features.

Nothing is chosen on the slices that the fold holds out: their curve is recorded for people to
look at, the number of epochs is fixed, and the final weights are the moving average of the last
steps. Early stopping decides on an inner, group-wise validation set of the training folds.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinefrac.data.splits import select_holdout
from spinefrac.errors import Cancelled, TrainingError
from spinefrac.evaluation.ranking import roc_auc
from spinefrac.records import EpochRecord, FoldResult
from spinefrac.training import checkpoint, networks, place_supervision
from spinefrac.training.augmentation.transforms import Augmenter
from spinefrac.training.checkpoint import Checkpoint
from spinefrac.training.frozen.network_head import NetworkHead
from spinefrac.training.keras_logits import make_loss, predict_logits, to_image_batch
from spinefrac.training.optimizer import build_optimizer
from spinefrac.training.pretraining.drawn_lines import pretrain_on_lines
from spinefrac.training.settings import FROZEN_NETWORKS
from spinefrac.training.workspace import RunWorkspace

if TYPE_CHECKING:
    import keras

#: Momentum of the moving average of the weights: about the last hundred steps.
_EMA_MOMENTUM = 0.99
#: Share of the training groups on which early stopping computes its loss.
_INNER_HOLDOUT_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class FitCallbacks:
    """Functions that are called while a network is trained.

    Attributes
    ----------
    on_epoch : callable or None
        Called with the record of each finished epoch, once its checkpoint is written.
    on_batch : callable or None
        Called after every batch with the epoch, the batch, and the batches of an epoch; epoch 0
        is what comes before the first one: practice on drawn lines.
    is_cancelled : callable or None
        Called before every batch; True ends the training.
    """

    on_epoch: Callable[[EpochRecord], None] | None = None
    on_batch: Callable[[int, int, int], None] | None = None
    is_cancelled: Callable[[], bool] | None = None


_NO_CALLBACKS = FitCallbacks()

#: What comes before training or is its first epoch; see `fit`.
Beginning = Callable[
    ["keras.Model", RunWorkspace, int, npt.NDArray[np.int64], FitCallbacks],
    tuple[EpochRecord, ...],
]


def train_fold(
    workspace: RunWorkspace,
    fold: int,
    callbacks: FitCallbacks = _NO_CALLBACKS,
    *,
    save_checkpoints: bool = False,
) -> FoldResult:
    """Train one fold's network and predict the slices that the fold holds out.

    Parameters
    ----------
    workspace : RunWorkspace
        Inputs, labels, groups, folds and settings of the run.
    fold : int
    callbacks : FitCallbacks, optional
    save_checkpoints : bool
        Write a checkpoint after every epoch, and resume from one that is there.

    Returns
    -------
    FoldResult
        Its weights file lies in the workspace's folder and belongs to the portable network.

    Raises
    ------
    TrainingError
        The loss is no longer a number, or the disk is full.
    Cancelled
        `FitCallbacks.is_cancelled` returned True.
    """
    started = time.perf_counter()
    model = build_initial_network(workspace, fold)
    path = workspace.checkpoint_path(fold) if save_checkpoints else None
    history = fit_as_set(model, workspace, fold, callbacks, checkpoint_path=path)
    portable = _copy_to_portable_network(model, workspace)
    workspace.write_weights(fold, portable)
    held_out = np.flatnonzero(workspace.folds == fold)
    return FoldResult(
        fold=fold,
        weights=workspace.weights_path(fold),
        rows=held_out,
        logits=predict_logits(portable, workspace.inputs[held_out]),
        history=history,
        seconds=time.perf_counter() - started,
    )


def fit_as_set(
    model: keras.Model,
    workspace: RunWorkspace,
    fold: int,
    callbacks: FitCallbacks = _NO_CALLBACKS,
    *,
    checkpoint_path: Path | None = None,
) -> tuple[EpochRecord, ...]:
    """Train a network of `build_initial_network` as the settings say; see `fit`."""
    settings = workspace.settings
    if settings.fits_head_only:
        return _fit_head_only(model, workspace, fold, callbacks, checkpoint_path)
    begin: Beginning | None = None
    if settings.network in FROZEN_NETWORKS:
        begin = _fit_head
    elif settings.network == "compact" and settings.initial_weights == "none":
        begin = _practise_on_lines
    return fit(model, workspace, fold, callbacks, checkpoint_path=checkpoint_path, begin=begin)


def _practise_on_lines(
    model: keras.Model,
    workspace: RunWorkspace,
    fold: int,
    rows: npt.NDArray[np.int64],
    callbacks: FitCallbacks,
) -> tuple[EpochRecord, ...]:
    """Train on lines that are drawn on the training slices; no epoch, because no label is seen."""

    def report(done: int, total: int) -> None:
        if callbacks.on_batch:
            callbacks.on_batch(0, done, total)

    seed = _derive_seed(workspace, fold)
    pretrain_on_lines(model, workspace, rows, seed, callbacks.is_cancelled, report)
    return ()


def _fit_head(
    model: keras.Model,
    workspace: RunWorkspace,
    fold: int,
    rows: npt.NDArray[np.int64],
    callbacks: FitCallbacks,
) -> tuple[EpochRecord, ...]:
    """Fit the head on the features of the slices as they are: the first epoch."""
    head = NetworkHead(model, workspace, rows, 0, callbacks.is_cancelled)
    return (_run_head_epoch(head, workspace, fold, rows, 1, callbacks)[0],)


def _run_head_epoch(
    head: NetworkHead,
    workspace: RunWorkspace,
    fold: int,
    rows: npt.NDArray[np.int64],
    epoch: int,
    callbacks: FitCallbacks,
) -> tuple[EpochRecord, npt.NDArray[np.float64]]:
    """Fit the head with one more variant; return the epoch and the logits of all slices (N,)."""
    started = time.perf_counter()

    def report(done: int, total: int) -> None:
        if callbacks.on_batch:
            callbacks.on_batch(epoch, done, total)

    logits = head.fit(epoch - 1, report)
    held_out = np.flatnonzero(workspace.folds == fold)
    units = workspace.collect_units(held_out)
    auc = roc_auc(units.labels, units.pool(logits[held_out]))
    record = EpochRecord(
        fold=fold,
        epoch=epoch,
        loss=_compute_loss(workspace, rows, logits[rows]),
        val_loss=_compute_loss(workspace, held_out, logits[held_out]),
        val_auc=math.nan if auc is None else auc,
        learning_rate=0.0,  # no gradient step is taken
        seconds=time.perf_counter() - started,
    )
    return record, logits


def build_initial_network(workspace: RunWorkspace, fold: int) -> keras.Model:
    settings = workspace.settings
    return networks.build_network(
        settings.network,
        settings.preprocessing.size,
        settings.initial_weights,
        seed=_derive_seed(workspace, fold),
        fused_batch_norm=True,
        fold_index=fold,
    )


def _copy_to_portable_network(model: keras.Model, workspace: RunWorkspace) -> keras.Model:
    """Return the network without fused batch normalisation, with the same weights."""
    settings = workspace.settings
    portable = networks.build_network(settings.network, settings.preprocessing.size)
    portable.set_weights(model.get_weights())
    return portable


def fit(
    model: keras.Model,
    workspace: RunWorkspace,
    fold: int,
    callbacks: FitCallbacks = _NO_CALLBACKS,
    *,
    checkpoint_path: Path | None = None,
    begin: Beginning | None = None,
) -> tuple[EpochRecord, ...]:
    """Train `model` in place on every slice that `fold` does not hold out.

    Parameters
    ----------
    model : keras.Model
        A logit or a probability for each slice, or one for each class. It is compiled anew.
    workspace : RunWorkspace
    fold : int
        One that no slice belongs to, such as -1, trains on all of them.
    callbacks : FitCallbacks, optional
    checkpoint_path : Path, optional
        Written after every epoch; training resumes from it where it exists.
    begin : callable, optional
        Called first with model, workspace, fold, its training rows and `callbacks`, unless training
        resumes. It may train the model and return epochs that are done by that.

    Returns
    -------
    tuple of EpochRecord
        ``val_loss`` and ``val_auc`` are NaN where nothing is held out.
    """
    import keras

    seed = _derive_seed(workspace, fold)
    rows, inner_rows = _split_training_rows(workspace, fold)
    saved = checkpoint.read(checkpoint_path) if checkpoint_path else None
    first = begin(model, workspace, fold, rows, callbacks) if begin and not saved else ()
    keras.utils.set_random_seed(seed)
    detector = None
    if place_supervision.has_places(workspace, rows):
        detector = place_supervision.add_place_output(model)
    batches = _BatchGenerator(model, detector, workspace, rows, seed)
    _compile(batches, workspace.settings.epochs - (begin is _fit_head))
    training = _GradientTraining(
        model, workspace, fold, inner_rows, checkpoint_path, list(first), batches=batches
    )
    if saved:
        training.restore_checkpoint(saved)
    elif begin:
        training.write_checkpoint()
    for record in first:
        if callbacks.on_epoch:
            callbacks.on_epoch(record)
    return training.run(callbacks)


def _fit_head_only(
    model: keras.Model,
    workspace: RunWorkspace,
    fold: int,
    callbacks: FitCallbacks,
    checkpoint_path: Path | None,
) -> tuple[EpochRecord, ...]:
    """Fit the head of frozen backbones in place, in each epoch with one more variant; see `fit`."""
    rows, inner_rows = _split_training_rows(workspace, fold)
    saved = checkpoint.read(checkpoint_path) if checkpoint_path else None
    variants = workspace.settings.epochs - 1
    head = NetworkHead(model, workspace, rows, variants, callbacks.is_cancelled)
    training = _HeadTraining(
        model, workspace, fold, inner_rows, checkpoint_path, head=head, rows=rows
    )
    if saved:
        training.restore_checkpoint(saved)
    return training.run(callbacks)


@dataclass
class _FoldTraining(ABC):
    """The state of one fold's training between epochs, which a checkpoint holds.

    `inner_rows` are the slices on which early stopping computes its loss.
    """

    model: keras.Model
    workspace: RunWorkspace
    fold: int
    inner_rows: npt.NDArray[np.int64]
    checkpoint_path: Path | None
    history: list[EpochRecord] = field(default_factory=list)
    early_stopping: _EarlyStopping | None = field(init=False)
    is_stopped: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        settings = self.workspace.settings
        self.early_stopping = _EarlyStopping(settings.patience) if settings.early_stopping else None

    def run(self, callbacks: FitCallbacks) -> tuple[EpochRecord, ...]:
        """Train the epochs that are left and return all of them."""
        while not self.is_stopped and len(self.history) < self.workspace.settings.epochs:
            record = self.train_epoch(len(self.history) + 1, callbacks)
            self.history.append(record)
            if self.early_stopping:
                inner_loss = _compute_loss(
                    self.workspace, self.inner_rows, self.predict_inner_rows()
                )
                self.is_stopped = self.early_stopping.update(self.model, inner_loss)
            self.write_checkpoint()
            if callbacks.on_epoch:
                callbacks.on_epoch(record)
        self.apply_final_weights()
        return tuple(self.history)

    @abstractmethod
    def train_epoch(self, epoch: int, callbacks: FitCallbacks) -> EpochRecord:
        """Train one epoch."""

    @abstractmethod
    def predict_inner_rows(self) -> npt.NDArray[np.float64]:
        """Return the logits of `inner_rows`."""

    @property
    def trained(self) -> keras.Model:
        """The model whose variables a checkpoint holds."""
        return self.model

    @property
    def optimizer_variables(self) -> list[Any]:
        """The optimizer's part of a checkpoint."""
        return []

    def apply_final_weights(self) -> None:
        """Put the best weights into the network, where early stopping knows them."""
        if self.early_stopping:
            self.early_stopping.restore_best_weights(self.model)

    def restore_checkpoint(self, saved: Checkpoint) -> None:
        """Continue where a checkpoint was written."""
        checkpoint.assign_variables(checkpoint.list_state_variables(self.trained), saved.network)
        checkpoint.assign_variables(self.optimizer_variables, saved.optimizer)
        if self.early_stopping:
            self.early_stopping.best, self.early_stopping.wait = saved.best, saved.waited
            self.early_stopping.best_weights = list(saved.best_weights) or None
        self.history = list(saved.history)
        self.is_stopped = saved.stopped

    def write_checkpoint(self) -> None:
        """Write the state, where there is a file for it."""
        if self.checkpoint_path is None:
            return
        stopping = self.early_stopping
        checkpoint.write(
            self.checkpoint_path,
            Checkpoint(
                epoch=len(self.history),
                history=tuple(self.history),
                network=checkpoint.read_variables(checkpoint.list_state_variables(self.trained)),
                optimizer=checkpoint.read_variables(self.optimizer_variables),
                best=stopping.best if stopping else math.inf,
                waited=stopping.wait if stopping else 0,
                best_weights=tuple((stopping.best_weights if stopping else None) or ()),
                stopped=self.is_stopped,
            ),
        )


@dataclass(kw_only=True)
class _GradientTraining(_FoldTraining):
    """All weights that are trainable follow the gradient, batch by batch."""

    batches: _BatchGenerator

    def train_epoch(self, epoch: int, callbacks: FitCallbacks) -> EpochRecord:
        return _run_epoch(self.model, self.workspace, self.fold, epoch, self.batches, callbacks)

    def predict_inner_rows(self) -> npt.NDArray[np.float64]:
        return predict_logits(self.model, self.workspace.inputs[self.inner_rows])

    @property
    def trained(self) -> keras.Model:
        return self.batches.trained

    @property
    def optimizer_variables(self) -> list[Any]:
        return list(self.trained.optimizer.variables)

    def apply_final_weights(self) -> None:
        """Put the best weights, or without early stopping the averaged ones, into the network."""
        super().apply_final_weights()
        if not self.early_stopping and self.trained.optimizer.iterations > 0:
            self.trained.optimizer.finalize_variable_values(self.trained.trainable_variables)


@dataclass(kw_only=True)
class _HeadTraining(_FoldTraining):
    """The head is fitted anew in each epoch, on one more variant of the slices of `rows`."""

    head: NetworkHead
    rows: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float64] = field(init=False)  # of all slices, (N,)

    def train_epoch(self, epoch: int, callbacks: FitCallbacks) -> EpochRecord:
        record, self.logits = _run_head_epoch(
            self.head, self.workspace, self.fold, self.rows, epoch, callbacks
        )
        return record

    def predict_inner_rows(self) -> npt.NDArray[np.float64]:
        return self.logits[self.inner_rows]


def _derive_seed(workspace: RunWorkspace, fold: int) -> int:
    """Return the seed of a fold's weights and order; each fold has another one."""
    return (workspace.settings.seed * 1000 + fold + 1) % 2**32


def _split_training_rows(
    workspace: RunWorkspace, fold: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the training rows and those of the inner validation set (maybe none)."""
    rows = np.flatnonzero(workspace.folds != fold)
    if not workspace.settings.early_stopping:
        return rows, rows[:0]
    inner = select_holdout(
        workspace.labels[rows],
        workspace.groups[rows],
        _INNER_HOLDOUT_SHARE,
        workspace.settings.seed,
    )
    return rows[~inner], rows[inner]


def _compile(batches: _BatchGenerator, epochs: int) -> None:
    """Set the loss, and the optimizer for so many epochs, with its variables.

    A first step that makes them is traced twice, which takes seconds.
    """
    settings = batches.workspace.settings
    optimizer = build_optimizer(
        settings.highest_learning_rate,
        settings.weight_decay,
        settings.warmup,
        epochs * batches.steps_per_epoch,
        _EMA_MOMENTUM,
    )
    # Without metrics: a user's own may not take these labels.
    loss = make_loss(batches.model)
    if batches.detector is None:
        batches.model.compile(optimizer, loss, metrics=[])
    else:
        place_supervision.compile_detector(batches.detector, optimizer, loss)
    optimizer.build(batches.trained.trainable_variables)


def _run_epoch(
    model: keras.Model,
    workspace: RunWorkspace,
    fold: int,
    epoch: int,
    batches: _BatchGenerator,
    callbacks: FitCallbacks,
) -> EpochRecord:
    """Train on every training slice once and record the epoch."""
    started = time.perf_counter()
    losses: list[float] = []
    for images, labels, weights in batches.iterate_epoch(epoch):
        if callbacks.is_cancelled and callbacks.is_cancelled():
            raise Cancelled(f"training was cancelled in fold {fold + 1}, epoch {epoch}")
        logs = batches.trained.train_on_batch(
            images, labels, sample_weight=weights, return_dict=True
        )
        losses.append(float(logs["loss"]))
        if not math.isfinite(losses[-1]):
            raise TrainingError(
                f"the loss of fold {fold + 1} is no longer a number in epoch {epoch}; lower the "
                f"learning rate (it was {workspace.settings.highest_learning_rate:g})"
            )
        if callbacks.on_batch:
            callbacks.on_batch(epoch, len(losses), batches.steps_per_epoch)
    held_out = np.flatnonzero(workspace.folds == fold)
    logits = predict_logits(model, workspace.inputs[held_out])
    auc = roc_auc(workspace.labels[held_out], logits)
    return EpochRecord(
        fold=fold,
        epoch=epoch,
        loss=float(np.mean(losses)),
        val_loss=_compute_loss(workspace, held_out, logits),
        val_auc=math.nan if auc is None else auc,
        learning_rate=float(np.asarray(batches.trained.optimizer.learning_rate)),
        seconds=time.perf_counter() - started,
    )


@dataclass(frozen=True)
class _BatchGenerator:
    """Shuffled, augmented batches over `rows`, the same for a seed whatever the machine.

    `detector` is the network with a second output for the places, where there are any.
    """

    model: keras.Model
    detector: keras.Model | None
    workspace: RunWorkspace
    rows: npt.NDArray[np.int64]
    seed: int

    @property
    def trained(self) -> keras.Model:
        """The network that is compiled and takes the batches."""
        return self.model if self.detector is None else self.detector

    @property
    def batch_size(self) -> int:
        return min(self.workspace.settings.batch_size, len(self.rows))

    @property
    def steps_per_epoch(self) -> int:
        # The remainder of an epoch is dropped: a batch of one slice would disturb the batch
        # normalisation.
        return len(self.rows) // self.batch_size

    def iterate_epoch(self, epoch: int) -> Iterator[tuple[Any, Any, Any]]:
        """Yield images (B, S, S, channels) float32 in 0…255, labels (B, 1) and weights (B,).

        For a detector, labels and weights are lists, with those of the places second.
        """
        settings, labels = self.workspace.settings, self.workspace.labels
        augment = Augmenter(settings.augmentation, settings.seed)
        weight_of = _compute_class_weights(labels[self.rows], settings.class_weights)
        order = np.random.default_rng((self.seed, epoch)).permutation(self.rows)
        for step in range(self.steps_per_epoch):
            batch = order[step * self.batch_size : (step + 1) * self.batch_size]
            images = np.stack(
                [augment(self.workspace.inputs[row], epoch, int(row)) for row in batch]
            )
            targets: Any = labels[batch, None].astype(np.float32)
            weights: Any = weight_of[labels[batch]]
            if self.detector is not None:
                places, of_places = place_supervision.make_place_targets(
                    self.workspace, batch, augment, epoch, self.detector.outputs[1].shape[1:3]
                )
                targets, weights = [targets, places], [weights, of_places]
            yield to_image_batch(self.model, images), targets, weights


class _EarlyStopping:
    """Keep the weights of the lowest inner loss and stop when it no longer falls."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self.best = math.inf
        self.wait = 0
        self.best_weights: list[Any] | None = None

    def update(self, model: keras.Model, loss: float) -> bool:
        if loss < self.best:
            self.best, self.wait, self.best_weights = loss, 0, model.get_weights()
        else:
            self.wait += 1
        return self.wait >= self._patience

    def restore_best_weights(self, model: keras.Model) -> None:
        if self.best_weights is not None:
            model.set_weights(self.best_weights)


def _compute_class_weights(
    labels: npt.NDArray[np.int64], balanced: bool
) -> npt.NDArray[np.float32]:
    """Return the weight of label 0 and label 1, mean 1 over `labels` (n,)."""
    if not balanced:
        return np.ones(2, np.float32)
    counts = np.bincount(labels, minlength=2)
    return (len(labels) / (2 * counts)).astype(np.float32)


def _compute_loss(
    workspace: RunWorkspace, rows: npt.NDArray[np.int64], logits: npt.NDArray[np.float64]
) -> float:
    """Return the mean cross-entropy of `logits` (n,), weighted by class as in training."""
    if not len(rows):
        return math.nan
    labels = workspace.labels[rows]
    if workspace.bags is not None:
        units = workspace.collect_units(rows)
        labels, logits = units.labels, units.pool(logits)
    weights = _compute_class_weights(workspace.labels, workspace.settings.class_weights)[labels]
    entropy = np.logaddexp(0, logits) - labels * logits
    return float(np.average(entropy, weights=weights))
