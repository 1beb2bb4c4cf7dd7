"""From slices to patients: one score a patient, as a reader of scans decides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac.errors import DatasetError
from spinefrac.evaluation.inputs import FloatArray, IntArray, make_inputs

#: How a patient's slices become one score.
POOLING_METHODS = ("max", "mean")


@dataclass(frozen=True)
class PatientScores:
    """One row a group, all arrays of shape (G,), in the order of `group_names`.

    `y_true` is 1 where any slice of the group has a fracture.
    """

    group_names: npt.NDArray[np.str_]
    y_true: IntArray
    y_score: FloatArray
    n_slices: IntArray


def pool_by_patient(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    groups: npt.ArrayLike,
    pooling: str = "max",
) -> PatientScores:
    """Pool the slices of each group into one score.

    The maximum asks whether any slice shows a fracture, and grows with the number of slices;
    the mean does not, but dilutes a fracture seen on few of them. Neither is calibrated.

    Parameters
    ----------
    y_true, y_score, groups : array-like, shape (N,)
    pooling : str
        ``max`` or ``mean``.

    Returns
    -------
    PatientScores
        Ready for `metrics.compute_metrics`, each patient a group of its own.

    Raises
    ------
    DatasetError
        If `pooling` is neither, or the arrays do not fit together.

    Examples
    --------
    >>> pooled = pool_by_patient([0, 1, 0], [0.2, 0.9, 0.4], ["P1", "P1", "P2"])
    >>> pooled.group_names.tolist(), pooled.y_true.tolist(), pooled.y_score.tolist()
    (['P1', 'P2'], [1, 0], [0.9, 0.4])
    """
    if pooling not in POOLING_METHODS:
        raise DatasetError(
            f"Expected a pooling of {' or '.join(POOLING_METHODS)}, got '{pooling}': use one of these."
        )
    sample = make_inputs(y_true, y_score, groups)
    slices = np.bincount(sample.group_codes, minlength=sample.n_groups)
    fractured = np.bincount(sample.group_codes, sample.y_true, minlength=sample.n_groups) > 0
    if pooling == "mean":
        scores = np.bincount(sample.group_codes, sample.y_score) / slices
        # Rounding of the sum must not lift a mean over its largest member.
        scores = np.clip(scores, 0.0, 1.0)
    else:
        scores = np.zeros(sample.n_groups)
        np.maximum.at(scores, sample.group_codes, sample.y_score)
    return PatientScores(
        sample.group_names, fractured.astype(np.int64), scores, slices.astype(np.int64)
    )
