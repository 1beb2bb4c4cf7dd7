"""Predictions of several models are paired slice by slice, or refused."""

from dataclasses import replace

import numpy as np
import pytest

from spinefrac.errors import DatasetError, ModelError
from spinefrac.store import paired
from spinefrac.store.evaluations import SlicePredictions
from tests.support.cards import make_model

PREDICTIONS = SlicePredictions(
    paths=("a.png", "b.png", "c.png", "d.png"),
    groups=np.array(["p", "p", "q", "q"]),
    labels=np.array([0, 1, 1, 0]),
    probabilities=np.array([0.1, 0.9, 0.4, 0.5]),
)
MODELS = [make_model("one"), make_model("two")]


def shuffled(predictions: SlicePredictions, order: list[int]) -> SlicePredictions:
    return SlicePredictions(
        paths=tuple(predictions.paths[row] for row in order),
        groups=predictions.groups[order],
        labels=predictions.labels[order],
        probabilities=predictions.probabilities[order],
    )


def test_predictions_are_sorted_by_the_paths_of_the_first_model():
    second = shuffled(
        replace(PREDICTIONS, probabilities=np.array([0.2, 0.3, 0.6, 0.5])), [2, 0, 3, 1]
    )
    both = paired.align_predictions(MODELS, {"one": PREDICTIONS, "two": second})
    assert both.paths == PREDICTIONS.paths and both.thresholds == {"one": 0.5, "two": 0.5}
    np.testing.assert_array_equal(both.probabilities["one"], [0.1, 0.9, 0.4, 0.5])
    np.testing.assert_array_equal(both.probabilities["two"], [0.2, 0.3, 0.6, 0.5])
    # fracture from the threshold on: one says b, d; two says c, d
    np.testing.assert_array_equal(both.apply_thresholds()["two"], [False, False, True, True])
    np.testing.assert_array_equal(both.disagreement_matrix(), [[0, 0.5], [0.5, 0]])


@pytest.mark.parametrize(
    "changed",
    [
        replace(PREDICTIONS, labels=1 - PREDICTIONS.labels),
        replace(PREDICTIONS, paths=("new.png", *PREDICTIONS.paths[1:])),
        shuffled(PREDICTIONS, [0, 1, 2]),
    ],
    ids=["labels", "path", "fewer"],
)
def test_other_slices_or_labels_are_refused(changed):
    with pytest.raises(DatasetError, match="evaluate both on"):
        paired.align_predictions(MODELS, {"one": PREDICTIONS, "two": changed})


def test_models_of_other_training_data_are_refused():
    data = replace(MODELS[0].data, fingerprint="other")
    stranger = make_model("stranger", data=data)
    assert paired.have_same_training_data(MODELS)
    assert not paired.have_same_training_data([MODELS[0], stranger])
    with pytest.raises(DatasetError, match="none of them has seen"):
        paired.pair_out_of_fold([MODELS[0], stranger])


def test_an_imported_model_has_no_out_of_fold_predictions():
    imported = make_model("imported", metrics=None, data=None, folds=())
    assert not paired.have_same_training_data([MODELS[0], imported])
    with pytest.raises(ModelError, match="imported was imported"):
        paired.pair_out_of_fold([MODELS[0], imported])
