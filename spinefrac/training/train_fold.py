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

from spinefrac.data.splits import holdout
from spinefrac.errors import Cancelled, TrainingError
from spinefrac.records import EpochRecord, FoldResult
from spinefrac.training import checkpoint, networks, pretraining
from spinefrac.training.augmentation.transforms import Augmenter
from spinefrac.training.checkpoint import Checkpoint
from spinefrac.training.keras_logits import as_images, ends_in_sigmoid, logits
from spinefrac.training.runner.workspace import Plan
from spinefrac.training.settings import TrainingSettings

if TYPE_CHECKING:
    import keras

#: Told after every batch: the epoch, the batch, and of how many.
OnBatch = Callable[[int, int, int], None]
#: Momentum of the moving average of the weights: about the last hundred steps.
_AVERAGE_MOMENTUM = 0.99
#: Share of the training groups that early stopping watches.
_INNER_HOLDOUT = 0.15


def train_fold(
    plan: Plan,
    fold: int,
    *,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    on_batch: OnBatch | None = None,
    cancelled: Callable[[], bool] | None = None,
    checkpoints: bool = False,
) -> FoldResult:
    """Train one fold's network and score the slices it held out.

    Parameters
    ----------
    plan : Plan
        Inputs, labels, groups, folds and settings of the run.
    fold : int
    on_epoch : callable, optional
        Called with the record of each finished epoch, once it is kept.
    on_batch : callable, optional
    cancelled : callable, optional
        Asked before every batch.
    checkpoints : bool
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
        `cancelled` said so.
    """
    settings = plan.settings
    started = time.perf_counter()
    size = settings.preprocessing.size
    model = networks.build(
        settings.network,
        size,
        settings.weights,
        seed=_seed(plan, fold),
        fast_training=True,
        part=fold,
    )
    history = fit(
        model,
        plan,
        fold,
        on_epoch=on_epoch,
        on_batch=on_batch,
        cancelled=cancelled,
        keep=plan.checkpoint_path(fold) if checkpoints else None,
        lines_first=settings.network == "compact" and not settings.weights,
    )
    portable = networks.build(settings.network, size)
    portable.set_weights(model.get_weights())
    plan.write_weights(fold, portable)
    held_out = np.flatnonzero(plan.folds == fold)
    return FoldResult(
        fold=fold,
        weights=plan.weights_path(fold),
        rows=held_out,
        logits=logits(portable, plan.inputs[held_out]),
        history=history,
        seconds=time.perf_counter() - started,
    )


def fit(
    model: keras.Model,
    plan: Plan,
    fold: int,
    *,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    on_batch: OnBatch | None = None,
    cancelled: Callable[[], bool] | None = None,
    keep: Path | None = None,
    lines_first: bool = False,
) -> tuple[EpochRecord, ...]:
    """Train `model` in place on every slice that `fold` does not hold out.

    Parameters
    ----------
    model : keras.Model
        One output a slice, a logit or a sigmoid. It is compiled anew.
    plan, fold, on_epoch, on_batch, cancelled
        As for `train_fold`. A fold that no slice belongs to, such as -1, trains on all of them.
    keep : Path, optional
        File of the checkpoints: written after every epoch, gone on from where it is there.
    lines_first : bool
        Whether to begin with `warm_start.learn_lines`.

    Returns
    -------
    tuple of EpochRecord
        ``val_loss`` and ``val_auc`` are NaN where nothing is held out.
    """
    import keras

    settings = plan.settings
    rows, watched = _training_rows(plan, fold)
    done = checkpoint.read(keep) if keep else None
    if lines_first and not done:
        pretraining.learn_lines(model, plan, rows, _seed(plan, fold), cancelled)
    keras.utils.set_random_seed(_seed(plan, fold))
    batches = _Batches(model, plan, rows, _seed(plan, fold))
    optimizer = _optimizer(settings, batches.per_epoch)
    model.compile(optimizer, keras.losses.BinaryCrossentropy(not ends_in_sigmoid(model)))
    stopper = _EarlyStopping(settings.patience) if settings.early_stopping else None
    history = list(_go_on(model, stopper, done)) if done else []
    if keep and lines_first and not done:
        optimizer.build(model.trainable_variables)
        checkpoint.write(keep, _as_it_stands(model, stopper, (), False))
    stopped = bool(done and done.stopped)
    while len(history) < settings.epochs and not stopped:
        epoch = len(history) + 1
        history.append(_run_epoch(model, plan, fold, epoch, batches, on_batch, cancelled))
        if stopper:
            inner_loss = _loss(plan, watched, logits(model, plan.inputs[watched]))
            stopped = stopper.should_stop(model, inner_loss)
        if keep:
            checkpoint.write(keep, _as_it_stands(model, stopper, tuple(history), stopped))
        if on_epoch:
            on_epoch(history[-1])
    if stopper:
        stopper.restore(model)
    else:
        optimizer.finalize_variable_values(model.trainable_variables)
    return tuple(history)


def _go_on(
    model: keras.Model, stopper: _EarlyStopping | None, done: Checkpoint
) -> tuple[EpochRecord, ...]:
    """Put network, optimizer and early stopping where a checkpoint left them."""
    model.optimizer.build(model.trainable_variables)
    checkpoint.assign(checkpoint.variables(model), done.network)
    checkpoint.assign(model.optimizer.variables, done.optimizer)
    if stopper:
        stopper.best, stopper.waited = done.best, done.waited
        stopper.weights = list(done.best_weights) or None
    return done.history


def _as_it_stands(
    model: keras.Model,
    stopper: _EarlyStopping | None,
    history: tuple[EpochRecord, ...],
    stopped: bool,
) -> Checkpoint:
    return Checkpoint(
        epoch=len(history),
        history=history,
        network=checkpoint.values(checkpoint.variables(model)),
        optimizer=checkpoint.values(model.optimizer.variables),
        best=stopper.best if stopper else math.inf,
        waited=stopper.waited if stopper else 0,
        best_weights=tuple((stopper.weights if stopper else None) or ()),
        stopped=stopped,
    )


def _seed(plan: Plan, fold: int) -> int:
    """Return the seed of a fold's weights and order; folds must not start alike."""
    return (plan.settings.seed * 1000 + fold + 1) % 2**32


def _training_rows(plan: Plan, fold: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the rows to learn from and those that early stopping watches (maybe none)."""
    rows = np.flatnonzero(plan.folds != fold)
    if not plan.settings.early_stopping:
        return rows, rows[:0]
    inner = holdout(plan.labels[rows], plan.groups[rows], _INNER_HOLDOUT, plan.settings.seed)
    return rows[~inner], rows[inner]


def _optimizer(settings: TrainingSettings, steps_per_epoch: int) -> Any:
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
        ema_momentum=_AVERAGE_MOMENTUM,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _run_epoch(
    model: keras.Model,
    plan: Plan,
    fold: int,
    epoch: int,
    batches: _Batches,
    on_batch: OnBatch | None,
    cancelled: Callable[[], bool] | None,
) -> EpochRecord:
    """Take every training slice once and record the epoch."""
    started = time.perf_counter()
    losses: list[float] = []
    for images, labels, weights in batches.epoch(epoch):
        if cancelled and cancelled():
            raise Cancelled(f"training was cancelled in fold {fold + 1}, epoch {epoch}")
        answer = model.train_on_batch(images, labels, sample_weight=weights, return_dict=True)
        losses.append(float(answer["loss"]))
        if not math.isfinite(losses[-1]):
            raise TrainingError(
                f"the loss of fold {fold + 1} is no longer a number in epoch {epoch}; lower the "
                f"learning rate (it was {plan.settings.learning_rate:g})"
            )
        if on_batch:
            on_batch(epoch, len(losses), batches.per_epoch)
    held_out = np.flatnonzero(plan.folds == fold)
    answers = logits(model, plan.inputs[held_out])
    return EpochRecord(
        fold=fold,
        epoch=epoch,
        loss=float(np.mean(losses)),
        val_loss=_loss(plan, held_out, answers),
        val_auc=_auc(plan.labels[held_out], answers),
        learning_rate=float(np.asarray(model.optimizer.learning_rate)),
        seconds=time.perf_counter() - started,
    )


@dataclass(frozen=True)
class _Batches:
    """Shuffled, augmented batches over `rows`, the same for a seed whatever the machine."""

    model: keras.Model
    plan: Plan
    rows: npt.NDArray[np.int64]
    seed: int

    @property
    def size(self) -> int:
        return min(self.plan.settings.batch_size, len(self.rows))

    @property
    def per_epoch(self) -> int:
        # The odd rest of an epoch is left for the next one: a batch of one slice would upset
        # the batch normalisation.
        return len(self.rows) // self.size

    def epoch(self, epoch: int) -> Iterator[tuple[Any, Any, Any]]:
        """Yield images (B, S, S, channels) float32 in 0…255, labels (B, 1) and weights (B,)."""
        settings, labels = self.plan.settings, self.plan.labels
        augment = Augmenter(settings.augmentation, settings.seed)
        weight_of = _class_weights(labels[self.rows], settings.class_weights)
        order = np.random.default_rng((self.seed, epoch)).permutation(self.rows)
        for step in range(self.per_epoch):
            batch = order[step * self.size : (step + 1) * self.size]
            images = np.stack([augment(self.plan.inputs[row], epoch, int(row)) for row in batch])
            yield (
                as_images(self.model, images),
                labels[batch, None].astype(np.float32),
                weight_of[labels[batch]],
            )


class _EarlyStopping:
    """Keep the weights of the lowest inner loss and stop when it no longer falls."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self.best = math.inf
        self.waited = 0
        self.weights: list[Any] | None = None

    def should_stop(self, model: keras.Model, loss: float) -> bool:
        if loss < self.best:
            self.best, self.waited, self.weights = loss, 0, model.get_weights()
        else:
            self.waited += 1
        return self.waited >= self._patience

    def restore(self, model: keras.Model) -> None:
        if self.weights is not None:
            model.set_weights(self.weights)


def _class_weights(labels: npt.NDArray[np.int64], wanted: bool) -> npt.NDArray[np.float32]:
    """Return the weight of label 0 and label 1, mean 1 over `labels` (n,)."""
    if not wanted:
        return np.ones(2, np.float32)
    counts = np.bincount(labels, minlength=2)
    return (len(labels) / (2 * counts)).astype(np.float32)


def _loss(plan: Plan, rows: npt.NDArray[np.int64], answers: npt.NDArray[np.float64]) -> float:
    """Mean cross-entropy of the logits `answers` (n,), weighted by class as in training."""
    if not len(rows):
        return math.nan
    labels = plan.labels[rows]
    weights = _class_weights(plan.labels, plan.settings.class_weights)[labels]
    entropy = np.logaddexp(0, answers) - labels * answers
    return float(np.average(entropy, weights=weights))


def _auc(labels: npt.NDArray[np.int64], answers: npt.NDArray[np.float64]) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, answers)) if len(labels) else math.nan
