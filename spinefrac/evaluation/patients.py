"""From slices to patients: one score a patient, as a reader of scans decides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac.errors import DatasetError
from spinefrac.evaluation.inputs import FloatArray, IntArray, make_sample

#: How a patient's slices become one score.
POOLINGS = ("max", "mean")


@dataclass(frozen=True)
class PatientScores:
    """One row a group, all arrays of shape (G,), in the order of `names`.

    `labels` is 1 where any slice of the group has a fracture.
    """

    names: npt.NDArray[np.str_]
    labels: IntArray
    probabilities: FloatArray
    slices: IntArray


def by_patient(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    groups: npt.ArrayLike,
    pooling: str = "max",
) -> PatientScores:
    """Pool the slices of each group into one score.

    The maximum asks whether any slice shows a fracture, and grows with the number of slices;
    the mean does not, but dilutes a fracture seen on few of them. Neither is calibrated.

    Parameters
    ----------
    labels, probabilities, groups : array-like, shape (N,)
    pooling : str
        ``max`` or ``mean``.

    Returns
    -------
    PatientScores
        Ready for `metrics.summarize`, each patient a group of its own.

    Raises
    ------
    DatasetError
        If `pooling` is neither, or the arrays do not fit together.
    """
    if pooling not in POOLINGS:
        raise DatasetError(
            f"Expected a pooling of {' or '.join(POOLINGS)}, got '{pooling}': use one of these."
        )
    sample = make_sample(labels, probabilities, groups)
    slices = np.bincount(sample.codes, minlength=sample.groups)
    fractured = np.bincount(sample.codes, sample.labels, minlength=sample.groups) > 0
    if pooling == "mean":
        scores = np.bincount(sample.codes, sample.probabilities) / slices
        # Rounding of the sum must not lift a mean over its largest member.
        scores = np.clip(scores, 0.0, 1.0)
    else:
        scores = np.zeros(sample.groups)
        np.maximum.at(scores, sample.codes, sample.probabilities)
    return PatientScores(sample.names, fractured.astype(np.int64), scores, slices.astype(np.int64))
