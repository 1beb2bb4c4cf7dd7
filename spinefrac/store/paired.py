"""Predictions of several saved models on the same slices, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac.errors import DatasetError
from spinefrac.store.evaluations import SlicePredictions
from spinefrac.store.repository import SavedModel

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PairedPredictions:
    """Predictions of several models on the same N slices.

    Attributes
    ----------
    paths : tuple of str, length N
    groups, labels : arrays, shape (N,)
    probabilities : dict of float64 arrays, shape (N,)
        By the model's id.
    thresholds : dict of float
        Threshold of each model.
    """

    paths: tuple[str, ...]
    groups: npt.NDArray[np.str_]
    labels: npt.NDArray[np.int64]
    probabilities: dict[str, FloatArray]
    thresholds: dict[str, float]

    def apply_thresholds(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Return for which slices each model predicts fracture, (N,) each."""
        return {
            name: scores >= self.thresholds[name] for name, scores in self.probabilities.items()
        }

    def disagreement_matrix(self) -> FloatArray:
        """Return the share of slices with different predicted classes, shape (M, M)."""
        predicted = np.array(list(self.apply_thresholds().values()))
        return (predicted[:, None, :] != predicted[None, :, :]).mean(axis=2)


def have_same_training_data(models: Sequence[SavedModel]) -> bool:
    """Return whether out-of-fold predictions of all models are on the same slices."""
    known = all(model.has_out_of_fold for model in models)
    return known and len({model.data.fingerprint for model in models}) == 1


def pair_out_of_fold(models: Sequence[SavedModel]) -> PairedPredictions:
    """Pair the out-of-fold predictions of several models.

    Raises
    ------
    DatasetError
        The models were trained on different slices, labels or groups.
    ModelError
        One of them was imported and has no out-of-fold predictions.
    """
    for model in models:
        _ = model.data
    if not have_same_training_data(models):
        names = ", ".join(model.id for model in models)
        raise DatasetError(
            f"Expected models trained on the same data, got {names} with different slices, labels "
            "or groups: compare them on a folder that none of them has seen"
        )
    return align_predictions(
        models,
        {model.id: SlicePredictions.from_out_of_fold(model.load_out_of_fold()) for model in models},
    )


def align_predictions(
    models: Sequence[SavedModel], predictions: Mapping[str, SlicePredictions]
) -> PairedPredictions:
    """Sort each model's predictions in the order of the first one's paths.

    Parameters
    ----------
    models : sequence of SavedModel
    predictions : mapping of SlicePredictions
        By the model's id.

    Raises
    ------
    DatasetError
        The predictions are not on the same slices with the same labels.
    """
    one = predictions[models[0].id]
    probabilities = {}
    for model in models:
        mine = predictions[model.id]
        row_of = {path: row for row, path in enumerate(mine.paths)}
        order = np.array([row_of.get(path, -1) for path in one.paths], np.int64)
        if len(row_of) != len(one.paths) or (order < 0).any():
            raise DatasetError(
                f"Expected predictions of {models[0].id} and {model.id} on the same slices, got "
                f"{len(one.paths)} and {len(row_of)} that differ: evaluate both on one folder"
            )
        if not np.array_equal(mine.labels[order], one.labels):
            raise DatasetError(
                f"Expected the same labels for {models[0].id} and {model.id}, got different ones: "
                "evaluate both on the folder as it is now"
            )
        probabilities[model.id] = mine.probabilities[order]
    return PairedPredictions(
        paths=one.paths,
        groups=one.groups,
        labels=one.labels,
        probabilities=probabilities,
        thresholds={model.id: model.threshold for model in models},
    )
