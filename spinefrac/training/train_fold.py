"""Train one fold: a pure function of a run folder and a fold number.

Nothing is chosen on the slices that the fold holds out: their curve is recorded for people to
look at, the number of epochs is fixed, and the final weights are the moving average of the last
steps. With early stopping, the choice is made on an inner, group-wise hold-out of the training
folds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinefrac.data.splits import select_holdout
from spinefrac.errors import Cancelled, TrainingError
from spinefrac.evaluation.ranking import roc_auc
from spinefrac.records import EpochRecord, FoldResult
from spinefrac.training import checkpoint, networks, pretraining
from spinefrac.training.augmentation.transforms import Augmenter
from spinefrac.training.checkpoint import Checkpoint
from spinefrac.training.keras_logits import has_sigmoid_output, predict_logits, to_image_batch
from spinefrac.training.runner.workspace import RunWorkspace
from spinefrac.training.settings import TrainingSettings

if TYPE_CHECKING:
    import keras

#: Told after every batch: the epoch, the batch, and of how many.
BatchCallback = Callable[[int, int, int], None]
#: Momentum of the moving average of the weights: about the last hundred steps.
_EMA_MOMENTUM = 0.99
#: Share of the training groups that early stopping watches.
_INNER_HOLDOUT_SHARE = 0.15


def train_fold(
    workspace: RunWorkspace,
    fold: int,
    *,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    on_batch: BatchCallback | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    save_checkpoints: bool = False,
) -> FoldResult:
    """Train one fold's network and score the slices it held out.

    Parameters
    ----------
    workspace : Plan
        Inputs, labels, groups, folds and settings of the run.
    fold : int
    on_epoch : callable, optional
        Called with the record of each finished epoch, once it is kept.
    on_batch : callable, optional
    is_cancelled : callable, optional
        Asked before every batch.
    save_checkpoints : bool
        Keep every epoch in the plan's folder, and go on from there.

    Returns
    -------
    FoldResult
        Its weights file lies in the plan's folder and belongs to the portable network.

    Raises
    ------
    TrainingError
        The loss is no longer a number, or the disk is full.
    Cancelled
        `is_cancelled` said so.
    """
    settings = workspace.settings
    started = time.perf_counter()
    size = settings.preprocessing.size
    model = networks.build_network(
        settings.network,
        size,
        settings.weights,
        seed=_derive_seed(workspace, fold),
        fused_batch_norm=True,
        fold_index=fold,
    )
    history = fit(
        model,
        workspace,
        fold,
        on_epoch=on_epoch,
        on_batch=on_batch,
        is_cancelled=is_cancelled,
        checkpoint_path=workspace.checkpoint_path(fold) if save_checkpoints else None,
        pretrain=settings.network == "compact" and not settings.weights,
    )
    portable = networks.build_network(settings.network, size)
    portable.set_weights(model.get_weights())
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


def fit(
    model: keras.Model,
    workspace: RunWorkspace,
    fold: int,
    *,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    on_batch: BatchCallback | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    checkpoint_path: Path | None = None,
    pretrain: bool = False,
) -> tuple[EpochRecord, ...]:
    """Train `model` in place on every slice that `fold` does not hold out.

    Parameters
    ----------
    model : keras.Model
        One output a slice, a logit or a sigmoid. It is compiled anew.
    workspace, fold, on_epoch, on_batch, is_cancelled
        As for `train_fold`. A fold that no slice belongs to, such as -1, trains on all of them.
    checkpoint_path : Path, optional
        File of the checkpoints: written after every epoch, gone on from where it is there.
    pretrain : bool
        Whether to begin with `warm_start.learn_lines`.

    Returns
    -------
    tuple of EpochRecord
        ``val_loss`` and ``val_auc`` are NaN where nothing is held out.
    """
    import keras

    settings = workspace.settings
    rows, watched = _split_training_rows(workspace, fold)
    done = checkpoint.read(checkpoint_path) if checkpoint_path else None
    if pretrain and not done:
        pretraining.pretrain_on_lines(
            model, workspace, rows, _derive_seed(workspace, fold), is_cancelled
        )
    keras.utils.set_random_seed(_derive_seed(workspace, fold))
    batches = _BatchGenerator(model, workspace, rows, _derive_seed(workspace, fold))
    optimizer = _build_optimizer(settings, batches.steps_per_epoch)
    model.compile(optimizer, keras.losses.BinaryCrossentropy(not has_sigmoid_output(model)))
    stopper = _EarlyStopping(settings.patience) if settings.early_stopping else None
    history = list(_restore_checkpoint(model, stopper, done)) if done else []
    if checkpoint_path and pretrain and not done:
        optimizer.build(model.trainable_variables)
        checkpoint.write(checkpoint_path, _make_checkpoint(model, stopper, (), False))
    stopped = bool(done and done.stopped)
    while len(history) < settings.epochs and not stopped:
        epoch = len(history) + 1
        history.append(_run_epoch(model, workspace, fold, epoch, batches, on_batch, is_cancelled))
        if stopper:
            inner_loss = _compute_loss(
                workspace, watched, predict_logits(model, workspace.inputs[watched])
            )
            stopped = stopper.update(model, inner_loss)
        if checkpoint_path:
            checkpoint.write(
                checkpoint_path, _make_checkpoint(model, stopper, tuple(history), stopped)
            )
        if on_epoch:
            on_epoch(history[-1])
    if stopper:
        stopper.restore_best_weights(model)
    else:
        optimizer.finalize_variable_values(model.trainable_variables)
    return tuple(history)


def _restore_checkpoint(
    model: keras.Model, early_stopping: _EarlyStopping | None, saved_checkpoint: Checkpoint
) -> tuple[EpochRecord, ...]:
    """Put network, optimizer and early stopping where a checkpoint left them."""
    model.optimizer.build(model.trainable_variables)
    checkpoint.assign_variables(checkpoint.list_state_variables(model), saved_checkpoint.network)
    checkpoint.assign_variables(model.optimizer.variables, saved_checkpoint.optimizer)
    if early_stopping:
        early_stopping.best, early_stopping.wait = saved_checkpoint.best, saved_checkpoint.waited
        early_stopping.best_weights = list(saved_checkpoint.best_weights) or None
    return saved_checkpoint.history


def _make_checkpoint(
    model: keras.Model,
    early_stopping: _EarlyStopping | None,
    history: tuple[EpochRecord, ...],
    stopped: bool,
) -> Checkpoint:
    return Checkpoint(
        epoch=len(history),
        history=history,
        network=checkpoint.read_variables(checkpoint.list_state_variables(model)),
        optimizer=checkpoint.read_variables(model.optimizer.variables),
        best=early_stopping.best if early_stopping else math.inf,
        waited=early_stopping.wait if early_stopping else 0,
        best_weights=tuple((early_stopping.best_weights if early_stopping else None) or ()),
        stopped=stopped,
    )


def _derive_seed(workspace: RunWorkspace, fold: int) -> int:
    """Return the seed of a fold's weights and order; folds must not start alike."""
    return (workspace.settings.seed * 1000 + fold + 1) % 2**32


def _split_training_rows(
    workspace: RunWorkspace, fold: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the rows to learn from and those that early stopping watches (maybe none)."""
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


def _build_optimizer(settings: TrainingSettings, steps_per_epoch: int) -> Any:
    """AdamW with a linear warm-up, a half cosine down to zero, and averaged weights."""
    import keras

    steps = settings.epochs * steps_per_epoch
    warmup = max(1, round(settings.warmup * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=settings.learning_rate / 25,
        warmup_target=settings.learning_rate,
        warmup_steps=warmup,
        decay_steps=max(1, steps - warmup),
    )
    optimizer = keras.optimizers.AdamW(
        schedule,
        weight_decay=settings.weight_decay,
        use_ema=True,
        ema_momentum=_EMA_MOMENTUM,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _run_epoch(
    model: keras.Model,
    workspace: RunWorkspace,
    fold: int,
    epoch: int,
    batches: _BatchGenerator,
    on_batch: BatchCallback | None,
    is_cancelled: Callable[[], bool] | None,
) -> EpochRecord:
    """Take every training slice once and record the epoch."""
    started = time.perf_counter()
    losses: list[float] = []
    for images, labels, weights in batches.iterate_epoch(epoch):
        if is_cancelled and is_cancelled():
            raise Cancelled(f"training was cancelled in fold {fold + 1}, epoch {epoch}")
        answer = model.train_on_batch(images, labels, sample_weight=weights, return_dict=True)
        losses.append(float(answer["loss"]))
        if not math.isfinite(losses[-1]):
            raise TrainingError(
                f"the loss of fold {fold + 1} is no longer a number in epoch {epoch}; lower the "
                f"learning rate (it was {workspace.settings.learning_rate:g})"
            )
        if on_batch:
            on_batch(epoch, len(losses), batches.steps_per_epoch)
    held_out = np.flatnonzero(workspace.folds == fold)
    answers = predict_logits(model, workspace.inputs[held_out])
    auc = roc_auc(workspace.labels[held_out], answers)
    return EpochRecord(
        fold=fold,
        epoch=epoch,
        loss=float(np.mean(losses)),
        val_loss=_compute_loss(workspace, held_out, answers),
        val_auc=math.nan if auc is None else auc,
        learning_rate=float(np.asarray(model.optimizer.learning_rate)),
        seconds=time.perf_counter() - started,
    )


@dataclass(frozen=True)
class _BatchGenerator:
    """Shuffled, augmented batches over `rows`, the same for a seed whatever the machine."""

    model: keras.Model
    workspace: RunWorkspace
    rows: npt.NDArray[np.int64]
    seed: int

    @property
    def batch_size(self) -> int:
        return min(self.workspace.settings.batch_size, len(self.rows))

    @property
    def steps_per_epoch(self) -> int:
        # The odd rest of an epoch is left for the next one: a batch of one slice would upset
        # the batch normalisation.
        return len(self.rows) // self.batch_size

    def iterate_epoch(self, epoch: int) -> Iterator[tuple[Any, Any, Any]]:
        """Yield images (B, S, S, channels) float32 in 0…255, labels (B, 1) and weights (B,)."""
        settings, labels = self.workspace.settings, self.workspace.labels
        augment = Augmenter(settings.augmentation, settings.seed)
        weight_of = _compute_class_weights(labels[self.rows], settings.class_weights)
        order = np.random.default_rng((self.seed, epoch)).permutation(self.rows)
        for step in range(self.steps_per_epoch):
            batch = order[step * self.batch_size : (step + 1) * self.batch_size]
            images = np.stack(
                [augment(self.workspace.inputs[row], epoch, int(row)) for row in batch]
            )
            yield (
                to_image_batch(self.model, images),
                labels[batch, None].astype(np.float32),
                weight_of[labels[batch]],
            )


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
    workspace: RunWorkspace, rows: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]
) -> float:
    """Mean cross-entropy of the logits `scores` (n,), weighted by class as in training."""
    if not len(rows):
        return math.nan
    labels = workspace.labels[rows]
    weights = _compute_class_weights(workspace.labels, workspace.settings.class_weights)[labels]
    entropy = np.logaddexp(0, scores) - labels * scores
    return float(np.average(entropy, weights=weights))
