"""A fold that was interrupted goes on as if nothing had happened."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from spinefrac.errors import Cancelled, TrainingError
from spinefrac.records import EpochRecord
from spinefrac.training import checkpoint
from spinefrac.training.checkpoint import Checkpoint
from spinefrac.training.keras_logits import predict_logits
from spinefrac.training.train_fold import FitCallbacks, fit, train_fold


def made(epoch: int) -> Checkpoint:
    rng = np.random.default_rng(epoch)
    return Checkpoint(
        epoch=epoch,
        history=tuple(
            EpochRecord(0, number, 0.5, float("nan"), 0.7, 1e-3, 2.0)
            for number in range(1, epoch + 1)
        ),
        network=(rng.normal(size=(3, 2)).astype(np.float32), np.float32(2.5) * np.ones(())),
        optimizer=(np.array(7, np.int64),),
        best=0.4,
        waited=2,
        best_weights=(rng.normal(size=4),),
        stopped=False,
    )


def same(first: Checkpoint, second: Checkpoint) -> bool:
    arrays = ("network", "optimizer", "best_weights")
    plain = ("epoch", "best", "waited", "stopped")
    return (
        all(getattr(first, name) == getattr(second, name) for name in plain)
        and repr(first.history) == repr(second.history)
        and all(
            a.dtype == b.dtype and np.array_equal(a, b)
            for name in arrays
            for a, b in zip(getattr(first, name), getattr(second, name), strict=True)
        )
    )


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    path = tmp_path / "fold-0.checkpoint"
    assert checkpoint.read(path) is None
    checkpoint.write(path, made(1))
    checkpoint.write(path, made(2))
    assert same(checkpoint.read(path), made(2))
    assert not list(tmp_path.glob("*.tmp*"))


@pytest.mark.parametrize("where", [0, 1000, -1])
def test_a_damaged_one_costs_an_epoch_and_no_more(tmp_path, where):
    path = tmp_path / "fold-0.checkpoint"
    checkpoint.write(path, made(1))
    checkpoint.write(path, made(2))
    content = bytearray(path.read_bytes())
    content[where] ^= 1
    path.write_bytes(content)
    assert same(checkpoint.read(path), made(1))
    checkpoint.write(path, made(3))  # the damaged one does not push the good one out
    path.unlink()
    assert same(checkpoint.read(path), made(1))


def test_one_of_another_network_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="another network"):
        checkpoint.assign_variables([np.zeros(3)], (np.zeros(4),))


def interrupted_and_resumed(plan, batches: int):
    """Train fold 0, interrupted after so many batches; then go on; also return what went on."""
    resumed = []
    with pytest.raises(Cancelled):
        _interrupt(plan, batches)
    return train_fold(
        plan, 0, FitCallbacks(on_epoch=resumed.append), save_checkpoints=True
    ), resumed


@pytest.mark.usefixtures("eager")
def test_a_resumed_fold_ends_bit_for_bit_as_an_undisturbed_one(plan, tmp_path):
    plan = replace(plan, settings=replace(plan.settings, epochs=4, line_steps=6))
    undisturbed = train_fold(replace(plan, folder=_folder(tmp_path, "other")), 0)
    result, resumed = interrupted_and_resumed(plan, batches=14)  # six of lines, then three an epoch
    assert [record.epoch for record in resumed] == [3, 4]
    assert np.array_equal(result.logits, undisturbed.logits)
    assert _but_seconds(result.history) == _but_seconds(undisturbed.history)


@pytest.mark.usefixtures("eager")
def test_the_lines_are_not_learned_twice(plan):
    plan = replace(plan, settings=replace(plan.settings, line_steps=6))
    with pytest.raises(Cancelled):
        _interrupt(plan, after=7)  # within the first epoch
    asked = []
    train_fold(
        plan, 0, FitCallbacks(is_cancelled=lambda: asked.append(None)), save_checkpoints=True
    )
    assert len(asked) == 6  # two epochs of three batches


def _interrupt(plan, after: int):
    asked = []

    def cancelled() -> bool:
        asked.append(None)
        return len(asked) > after

    train_fold(plan, 0, FitCallbacks(is_cancelled=cancelled), save_checkpoints=True)


@pytest.mark.slow
def test_early_stopping_remembers_what_it_saw(plan, tmp_path):
    settings = replace(plan.settings, epochs=12, early_stopping=True, patience=2, learning_rate=0.5)
    plan = replace(plan, settings=settings)
    undisturbed = train_fold(replace(plan, folder=_folder(tmp_path, "other")), 0)
    assert len(undisturbed.history) < 12
    result, _ = interrupted_and_resumed(plan, batches=3)
    assert np.array_equal(result.logits, undisturbed.logits)
    assert len(result.history) == len(undisturbed.history)


@pytest.mark.slow
def test_dropout_goes_on_where_it_was(plan, tmp_path):
    """The random state of a network's dropout is in the checkpoint."""
    plan = replace(plan, settings=replace(plan.settings, epochs=3))
    answers = []
    for keep, stops in ((None, (None,)), (tmp_path / "dropout.checkpoint", (4, None))):
        for batches in stops:
            model, left = _with_dropout(), iter(range(batches or 1000))
            with suppress(Cancelled):
                fit(
                    model,
                    plan,
                    0,
                    FitCallbacks(is_cancelled=lambda left=left: next(left, None) is None),
                    checkpoint_path=keep,
                )
        answers.append(predict_logits(model, plan.inputs))
    assert np.array_equal(*answers)


def _with_dropout():
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(1),
        ]
    )


def _folder(parent, name):
    (parent / name).mkdir()
    return parent / name


def _but_seconds(history):
    return [replace(record, seconds=0.0) for record in history]
