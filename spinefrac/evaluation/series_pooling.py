"""The series score, and its performance on the training patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac.evaluation import metrics, operating_point
from spinefrac.evaluation.metrics import Metrics
from spinefrac.records import OutOfFoldPredictions

#: Neighbouring slices of a window: a fracture extends over several slices, noise over one.
POOLING_WINDOW = 3

#: How the score is computed, in words for people.
POOLING_DESCRIPTION = (
    f"The highest mean probability of any {POOLING_WINDOW} neighbouring slices: a fracture extends "
    "over several slices, a random error rarely does."
)

#: Groups of each class that an evaluation of series needs.
_MIN_GROUPS = 10


@dataclass(frozen=True)
class SeriesPerformance:
    """Out-of-fold performance of the score, with each training patient's slices as a series.

    Attributes
    ----------
    threshold : float
        At or above it the predicted class is fracture; chosen on the same patients.
    metrics : Metrics
        One score a patient.
    median_slices : float
        Median number of slices of a patient.
    """

    threshold: float
    metrics: Metrics
    median_slices: float


def pool_series(slice_probabilities: npt.ArrayLike) -> tuple[float, int]:
    """Return the score of slices in order, and the slice in the middle of its window.

    Parameters
    ----------
    slice_probabilities : array-like, shape (N,)
        In order of position; NaN where a slice has no prediction. It is skipped, and its
        neighbours become neighbours of each other.

    Returns
    -------
    score : float
        NaN where no slice has a prediction.
    index : int
        Into the N slices; -1 where no slice has a prediction.

    Examples
    --------
    >>> score, index = pool_series([0.1, 0.2, 0.9, 0.7, 0.1])
    >>> round(score, 3), index
    (0.6, 2)
    """
    values = np.asarray(slice_probabilities, dtype=np.float64)
    finite = np.flatnonzero(np.isfinite(values))
    if not finite.size:
        return float("nan"), -1
    width = min(POOLING_WINDOW, finite.size)
    means = np.convolve(values[finite], np.full(width, 1.0 / width), mode="valid")
    best = int(np.argmax(means))
    return float(means[best]), int(finite[best + width // 2])


def evaluate_series_score(
    oof: OutOfFoldPredictions, *, n_resamples: int = 1000
) -> SeriesPerformance | None:
    """Evaluate the score on each training group as a series, with its out-of-fold predictions.

    Parameters
    ----------
    oof : OutOfFoldPredictions
        A group's slices are taken in the order of their paths.
    n_resamples : int
        Of the bootstrap over groups.

    Returns
    -------
    SeriesPerformance or None
        None where there are fewer than ten groups of either class with `POOLING_WINDOW` slices.
    """
    order = np.lexsort((np.array(oof.paths), oof.groups))
    starts = np.unique(oof.groups[order], return_index=True)[1]
    scores, labels, sizes = [], [], []
    for members in np.split(order, starts[1:]):
        if len(members) < POOLING_WINDOW:
            continue
        # Paths of different classes lie in different folders: names alone keep the order.
        names = [oof.paths[row].rpartition("/")[2] for row in members]
        in_order = members[np.argsort(np.array(names), kind="stable")]
        scores.append(pool_series(oof.probabilities[in_order])[0])
        labels.append(int(oof.labels[members].any()))
        sizes.append(len(members))
    if min(np.bincount(labels, minlength=2), default=0) < _MIN_GROUPS:
        return None
    each = np.arange(len(labels))
    point = operating_point.choose_threshold(labels, scores, each, n_resamples=0)
    return SeriesPerformance(
        threshold=point.threshold,
        metrics=metrics.compute_metrics(
            labels, scores, each, point.threshold, n_resamples=n_resamples
        ),
        median_slices=float(np.median(sizes)),
    )
