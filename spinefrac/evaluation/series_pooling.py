"""The series score, and its performance on the training patients."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac.evaluation import metrics, operating_point
from spinefrac.evaluation.metrics import Metrics
from spinefrac.records import OutOfFoldPredictions
from spinefrac.slice_order import SlicePlace, order_slices

#: Neighbouring slices of a window: a fracture extends over several slices, noise over one.
POOLING_WINDOW = 3

#: How the score is computed, in words for people.
POOLING_DESCRIPTION = (
    f"The highest mean probability of any {POOLING_WINDOW} neighbouring slices: a fracture extends "
    "over several slices, a random error rarely does."
)

#: Groups of each class that an evaluation of series needs.
_MIN_GROUPS = 10
#: Scores have a logit between this and 1 minus this.
_SMALLEST_SCORE = 1e-9


@dataclass(frozen=True)
class SeriesPerformance:
    """Out-of-fold performance of the score on the series of the training patients.

    Attributes
    ----------
    threshold : float
        At or above it the predicted class is fracture; chosen on the same patients.
    metrics : Metrics
        One score a series; intervals over patients.
    median_slices : float
        Median number of slices of a series.
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
    """Evaluate the score on the series of each training group, with out-of-fold predictions.

    Parameters
    ----------
    oof : OutOfFoldPredictions
        The slices of a group are one series; where a subgroup ``series`` tells several apart,
        each is one. They are taken in the order of `positions`, or of their names.
    n_resamples : int
        Of the bootstrap over groups.

    Returns
    -------
    SeriesPerformance or None
        None where there are fewer than ten groups of either class that have a series of
        `POOLING_WINDOW` slices.
    """
    series = [members for members in _list_series(oof) if len(members) >= POOLING_WINDOW]
    scores = np.array([pool_series(oof.probabilities[members])[0] for members in series])
    labels = np.array([int(oof.labels[members].any()) for members in series], dtype=np.int64)
    groups = np.array([oof.groups[members[0]] for members in series], dtype=np.str_)
    if min(len(set(groups[labels == label].tolist())) for label in (0, 1)) < _MIN_GROUPS:
        return None
    point = operating_point.choose_threshold(labels, scores, groups, n_resamples=0)
    return SeriesPerformance(
        threshold=point.threshold,
        metrics=metrics.compute_metrics(
            labels, scores, groups, point.threshold, n_resamples=n_resamples
        ),
        median_slices=float(np.median([len(members) for members in series])),
    )


def pool_scans(slices: OutOfFoldPredictions, scans: Sequence[str]) -> OutOfFoldPredictions:
    """Return the predictions of scans, one row a scan, from those of their slices.

    Parameters
    ----------
    slices : OutOfFoldPredictions
        N rows, with `positions`.
    scans : sequence of str, length N

    Returns
    -------
    OutOfFoldPredictions
        A scan is fractured where a slice has that label, its probability is the series score, and
        its hash is that of its slices' hashes. In the order of the scans' names.
    """
    rows_of: dict[str, list[int]] = {}
    for row in sorted(range(len(scans)), key=lambda row: slices.positions[row]):
        rows_of.setdefault(scans[row], []).append(row)
    names = sorted(rows_of)
    members = [rows_of[name] for name in names]
    first = [rows[0] for rows in members]
    scores = np.array([pool_series(slices.probabilities[rows])[0] for rows in members])
    bounded = np.clip(scores, _SMALLEST_SCORE, 1 - _SMALLEST_SCORE)
    return OutOfFoldPredictions(
        paths=tuple(names),
        groups=slices.groups[first],
        labels=np.array([int(slices.labels[rows].any()) for rows in members], np.int64),
        folds=slices.folds[first],
        logits=np.log(bounded / (1 - bounded)),
        probabilities=scores,
        pixel_hashes=tuple(_hash_together(slices, rows) for rows in members),
        subgroups={
            name: tuple(values[row] for row in first)
            for name, values in slices.subgroups.items()
            if name != "series"
        },
    )


def _hash_together(slices: OutOfFoldPredictions, rows: list[int]) -> str:
    hashes = sorted(slices.pixel_hashes[row] for row in rows)
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def _list_series(oof: OutOfFoldPredictions) -> list[list[int]]:
    """Return the rows of each series, in the order of its slices."""
    names = oof.subgroups.get("series") or ("",) * len(oof.paths)
    rows_of: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(oof.groups.tolist(), names, strict=True)):
        rows_of.setdefault(key, []).append(row)
    return [_sort_rows(oof, rows) for rows in rows_of.values()]


def _sort_rows(oof: OutOfFoldPredictions, rows: list[int]) -> list[int]:
    places = [
        # Paths of different classes lie in different folders: names alone keep the order.
        SlicePlace(
            name=oof.paths[row].rpartition("/")[2],
            number=oof.positions[row] if oof.positions else None,
        )
        for row in rows
    ]
    return [rows[index] for index in order_slices(places)]
