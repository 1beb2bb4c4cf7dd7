"""Which training slices the input check calls the nearest: their files' names and hashes.

A model keeps no training slice. The reference of the input check has a slice's label and
out-of-fold probability, and the table of out-of-fold predictions has both beside its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spinefrac.records import NearestSlice, OutOfFoldPredictions
from spinefrac.store.input_reference import PROBABILITY_DIGITS, FloatArray
from spinefrac.store.repository import SavedModel


@dataclass(frozen=True, slots=True)
class TrainingSlice:
    """A file of the training data set: path within it, and SHA-256 of its pixels."""

    path: str
    pixel_hash: str


def find_training_slices(
    model: SavedModel, nearest: Sequence[NearestSlice]
) -> list[TrainingSlice | None]:
    """Return the file of each of the nearest slices; None where it is not known for certain.

    Raises
    ------
    ModelError
        A file of the model is damaged or gone.
    """
    reference = model.load_input_reference()
    if reference is None or not model.has_out_of_fold:
        return [None] * len(nearest)
    oof = model.load_out_of_fold()
    if not oof.pixel_hashes:
        return [None] * len(nearest)
    return [_find_slice(one, reference.facts, oof) for one in nearest]


def _find_slice(
    one: NearestSlice, facts: FloatArray, oof: OutOfFoldPredictions
) -> TrainingSlice | None:
    """Return the only file with these facts (R, 3): patient, label, probability."""
    patients, labels, probabilities = facts.T
    rounded = probabilities.round(PROBABILITY_DIGITS)
    [known] = np.nonzero(
        (patients == one.patient) & (labels == one.label) & (rounded == one.probability)
    )
    if len(known) != 1:
        return None
    # The reference keeps single precision.
    same = oof.probabilities.astype(np.float32) == np.float32(probabilities[known[0]])
    [rows] = np.nonzero(same & (oof.labels == one.label))
    if len(rows) != 1:
        return None
    return TrainingSlice(oof.paths[rows[0]], oof.pixel_hashes[rows[0]])
