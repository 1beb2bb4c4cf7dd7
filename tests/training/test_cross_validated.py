"""A model that carries its cross-validation stays the Keras model that it is."""

import copy
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spinefrac.evaluation.metrics import compute_metrics
from spinefrac.records import Dataset, OutOfFoldPredictions, Preprocessing
from spinefrac.training import cross_validated
from spinefrac.training.cross_validated import CrossValidationResult

IMAGES = np.random.default_rng(0).uniform(0, 1, (4, 4, 4, 1)).astype(np.float32)
LABELS = np.array([0, 1, 0, 1])


def make_result() -> CrossValidationResult:
    groups = np.array(["a", "b", "c", "d"])
    scores = np.array([0.1, 0.9, 0.4, 0.3])
    return CrossValidationResult(
        metrics=compute_metrics(LABELS, scores, groups, 0.5),
        out_of_fold=OutOfFoldPredictions(tuple(groups), groups, LABELS, LABELS, scores, scores),
        history=(),
        dataset=Dataset(Path(), (), "files", ""),
        preprocessing=Preprocessing(),
    )


def build(kind: str):
    import keras

    layers = [keras.layers.Flatten(), keras.layers.Dense(1, activation="sigmoid")]
    model = keras.Sequential([keras.Input((4, 4, 1)), *layers])
    if kind == "functional":
        model = keras.Model(model.inputs, model.outputs)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"], run_eagerly=True)
    return model


@pytest.mark.parametrize("kind", ["sequential", "functional"])
def test_a_model_carries_its_cross_validation_and_stays_a_model(kind, tmp_path) -> None:
    import keras

    model, result = build(kind), make_result()
    name, base = type(model).__name__, type(model)
    cross_validated.attach(model, result)
    cross_validated.attach(model, replace(result, notes=("again",)))
    assert cross_validated.get_result(model).notes == ("again",)
    assert isinstance(model, base) and type(model).__name__ == name
    assert model.metrics.auc == result.metrics.auc and model.metrics.ci == result.metrics.ci
    assert model.out_of_fold is result.out_of_fold and model.history == ()
    assert model.dataset is result.dataset
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = model.nothing
    # Keras goes on working with its own metrics.
    history = model.fit(IMAGES, LABELS, verbose=0)
    assert set(history.history) == {"loss", "accuracy"} and model.history is history
    assert [type(metric).__name__ for metric in model.metrics] == ["Mean", "CompileMetrics"]
    before = model(IMAGES)
    for suffix in (".keras", ".h5"):
        model.save(tmp_path / f"model{suffix}")
        loaded = keras.models.load_model(tmp_path / f"model{suffix}")
        np.testing.assert_allclose(loaded(IMAGES), before, atol=1e-6)
        assert cross_validated.get_result(loaded) is None
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_allclose(copied(IMAGES), before, atol=1e-6)
    assert keras.models.clone_model(model).count_params() == model.count_params()


def test_a_model_without_one_has_none() -> None:
    assert cross_validated.get_result(build("sequential")) is None
