"""One score a patient, pooled from its slices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac.errors import DatasetError
from spinefrac.evaluation.inputs import FloatArray, IntArray, make_inputs

#: How the slices of a patient become one score.
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

    The maximum is high if any slice shows a fracture, and rises with the number of slices; the
    mean does not, but falls where few of the slices show it. Neither is calibrated.

    Parameters
    ----------
    y_true, y_score, groups : array-like, shape (N,)
    pooling : str
        ``max`` or ``mean``.

    Returns
    -------
    PatientScores
        For `metrics.compute_metrics`, with each patient as a group.

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
            f"Expected a pooling of {' or '.join(POOLING_METHODS)}, got '{pooling}': use one of "
            "these."
        )
    inputs = make_inputs(y_true, y_score, groups)
    slices = np.bincount(inputs.group_codes, minlength=inputs.n_groups)
    fractured = np.bincount(inputs.group_codes, inputs.y_true, minlength=inputs.n_groups) > 0
    if pooling == "mean":
        scores = np.bincount(inputs.group_codes, inputs.y_score) / slices
        # Rounding of the sum must not make a mean larger than its largest member.
        scores = np.clip(scores, 0.0, 1.0)
    else:
        scores = np.zeros(inputs.n_groups)
        np.maximum.at(scores, inputs.group_codes, inputs.y_score)
    return PatientScores(
        inputs.group_names, fractured.astype(np.int64), scores, slices.astype(np.int64)
    )
