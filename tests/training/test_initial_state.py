"""Folds start from what the model brought: weights, frozen layers and adapted statistics."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spinefrac.errors import TrainingError
from spinefrac.records import Dataset, Item
from spinefrac.training import cross_validated, initial_state
from tests.training.test_cross_validated import make_result


def dataset(*hashes: str) -> Dataset:
    items = tuple(Item(f"{h}.png", 0, group=h, pixel_hash=h) for h in hashes)
    return Dataset(Path(), items, "files", "")


@pytest.fixture
def model():
    """A frozen backbone, adapted statistics, and a head to be trained."""
    import keras
    from keras import layers

    base = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.GlobalAveragePooling2D()]
    )
    base.set_weights([np.full_like(weights, 7.0) for weights in base.get_weights()])
    base.trainable = False
    normalise = layers.Normalization(axis=None)
    normalise.adapt(np.linspace(50, 150, 64, dtype=np.float32))
    head = layers.Dense(1, activation="sigmoid", name="head")
    return keras.Sequential([keras.Input((8, 8, 1)), normalise, base, layers.Dropout(0.2), head])


def train_a_little(model) -> None:
    head = model.get_layer("head")
    head.set_weights([weights + 0.5 for weights in head.get_weights()])


def test_every_fold_starts_from_the_given_weights(model) -> None:
    given = [weights.copy() for weights in model.get_weights()]
    start = initial_state.capture(model, dataset("a"), "given")
    assert start.notes == ()
    for fold in (0, 1, -1):
        train_a_little(model)
        assert not np.array_equal(model.get_layer("head").get_weights()[0], given[-2])
        start.apply(fold)
        for got, want in zip(model.get_weights(), given, strict=True):
            np.testing.assert_array_equal(got, want)
    assert not model.layers[1].trainable


def test_random_weights_are_drawn_for_trainable_layers_only(model) -> None:
    given = [weights.copy() for weights in model.get_weights()]
    start = initial_state.capture(model, dataset("a"), "random")
    assert "random weights in the trainable layers" in start.notes[0]
    heads = []
    for fold in (0, 1, 0):
        start.apply(fold)
        heads.append(model.get_layer("head").get_weights()[0])
        for got, want in zip(model.get_weights()[:-2], given[:-2], strict=True):
            np.testing.assert_array_equal(got, want)
    assert not np.array_equal(heads[0], heads[1]) and np.array_equal(heads[0], heads[2])
    start.restore()
    np.testing.assert_array_equal(model.get_layer("head").get_weights()[0], given[-2])


def test_trained_weights_are_said(model) -> None:
    train_a_little(model)
    with pytest.warns(UserWarning, match="brings trained weights.*metrics are too good"):
        start = initial_state.capture(model, dataset("a"), "given")
    assert "initial_weights='random'" in start.notes[0]


def test_a_model_that_saw_these_slices_starts_from_before_that(model) -> None:
    start = initial_state.capture(model, dataset("a", "b"), "given")
    train_a_little(model)
    result = replace(make_result(), dataset=dataset("a", "b"), initial_state=start.values)
    cross_validated.attach(model, result)
    again = initial_state.capture(model, dataset("b", "c"), "given")
    assert "trained on slices of this data set before" in again.notes[0]
    again.apply(0)
    assert (model.get_layer("head").get_weights()[1] == 0).all()
    again.restore()
    assert (model.get_layer("head").get_weights()[1] != 0).all()
    with pytest.warns(UserWarning, match="brings trained weights"):
        initial_state.capture(model, dataset("other"), "given")
    assert initial_state.takes_0_255(model)


def test_what_cannot_be_trained_is_refused(model) -> None:
    import keras

    with pytest.raises(TrainingError, match="'given' or 'random' for initial_weights, got 'new'"):
        initial_state.capture(model, dataset("a"), "new")
    model.trainable = False
    with pytest.raises(TrainingError, match="Every layer of the model is frozen"):
        initial_state.capture(model, dataset("a"), "given")
    half = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, dtype="mixed_float16")])
    with pytest.raises(TrainingError, match="output has 16 bits"):
        initial_state.capture(half, dataset("a"), "given")


def test_the_weights_of_the_package_have_seen_no_data_set(recwarn) -> None:
    """They look trained, and no user needs a warning of their own slices for that."""
    from spinefrac.training import keras_api

    start = initial_state.capture(keras_api.build_cnn_model(size=32), dataset("a"), "given")
    assert start.notes == (initial_state._SPINE,) and start.is_spine
    assert not [w for w in recwarn if initial_state._TRAINED in str(w.message)]
