"""The weighted log loss of the RSNA 2022 challenge, by which its solutions are known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spinefrac.errors import DatasetError
from spinefrac.evaluation.inputs import FloatArray, check_finite_array, check_labels

#: Weights of a vertebra without and with a fracture, then of the scan.
_LEVEL_WEIGHTS, _SCAN_WEIGHTS = (1.0, 2.0), (7.0, 14.0)
_SMALLEST_PROBABILITY = 1e-15


def compute_rsna_log_loss(
    scan_labels: npt.ArrayLike,
    scan_scores: npt.ArrayLike,
    level_labels: npt.ArrayLike | None = None,
    level_scores: npt.ArrayLike | None = None,
) -> FloatArray:
    """Return the weighted log loss of each scan as the RSNA 2022 challenge computed it.

    Parameters
    ----------
    scan_labels, scan_scores : array-like, shape (M,)
        Whether there is any fracture, and its probability.
    level_labels, level_scores : array-like, shape (M, L), optional
        The same of each vertebra, C1 to C7 in the challenge.

    Returns
    -------
    float64 array, shape (M,)
        The mean of the log losses of a scan and its vertebrae, weighted by 14 and 7 (the scan,
        with and without a fracture) and 2 and 1 (a vertebra). The challenge's score is the mean.

    Raises
    ------
    DatasetError
        The arrays do not fit together.

    Examples
    --------
    >>> compute_rsna_log_loss([1], [0.5], [[1, 0]], [[0.5, 0.5]]).round(4).tolist()
    [0.6931]
    """
    y = check_labels(scan_labels)
    columns = [(y, check_finite_array(scan_scores, len(y), "probabilities"), _SCAN_WEIGHTS)]
    if level_labels is not None and level_scores is not None:
        labels, scores = np.asarray(level_labels), np.asarray(level_scores)
        if labels.shape != scores.shape or labels.ndim != 2 or len(labels) != len(y):
            raise DatasetError(
                f"Expected labels and probabilities of the vertebrae of {len(y)} scans, got shapes "
                f"{labels.shape} and {scores.shape}: pass one row a scan."
            )
        columns += [
            (
                check_labels(label),
                check_finite_array(score, len(y), "probabilities"),
                _LEVEL_WEIGHTS,
            )
            for label, score in zip(labels.T, scores.T, strict=True)
        ]
    total, weight = np.zeros(len(y)), np.zeros(len(y))
    for label, score, (negative, positive) in columns:
        p = np.clip(score, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
        of_label = np.where(label == 1, positive, negative)
        total -= of_label * np.where(label == 1, np.log(p), np.log1p(-p))
        weight += of_label
    return total / weight
