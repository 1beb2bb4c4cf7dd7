"""Every metric for many weightings of the groups at once.

A bootstrap resample of groups is a column of whole-number weights, a jackknife replicate a
column of ones with one zero. Nothing is sorted twice: counts and sums are one matrix product of
per-group totals, and rank metrics are cumulative sums over slices that are sorted once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from spinefrac.evaluation.inputs import EvaluationInputs, FloatArray
from spinefrac.evaluation.ranking import PairRanking

#: Keys of the metrics in JSON, in their order there.
METRIC_NAMES = (
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "specificity",
    "f1",
    "mcc",
    "auc",
    "average_precision",
    "brier",
    "log_loss",
    "ece",
)

#: Bins of equal width over 0…1 for the expected calibration error (Guo et al., 2017, use 15).
CALIBRATION_BINS = 15


def assign_calibration_bins(
    y_score: FloatArray, n_bins: int = CALIBRATION_BINS
) -> npt.NDArray[np.int64]:
    """Return the calibration bin of each probability, shape (N,); bins are open below.

    A probability of exactly 0 belongs to the first bin.
    """
    edges = np.linspace(0.0, 1.0, n_bins + 1)[1:-1]
    return np.searchsorted(edges, y_score, side="left").astype(np.int64)


def log_loss_per_slice(y_true: npt.NDArray[np.int64], y_score: FloatArray) -> FloatArray:
    """Return the negative log-likelihood of each slice in nats, shape (N,).

    Probabilities are clipped to a float64 epsilon from 0 and 1, as in scikit-learn.
    """
    epsilon = np.finfo(np.float64).eps
    clipped = np.clip(y_score, epsilon, 1.0 - epsilon)
    return -np.where(y_true == 1, np.log(clipped), np.log1p(-clipped))


class WeightedMetrics:
    """The metrics of one sample at one threshold, for any weights of its groups.

    Parameters
    ----------
    inputs : EvaluationInputs
    threshold : float
        At or above it the predicted class is fracture.
    """

    def __init__(self, inputs: EvaluationInputs, threshold: float) -> None:
        self._components = (ThresholdMetrics(inputs, threshold), ProbabilityMetrics(inputs))

    def __call__(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Return every metric for every column of weights.

        Parameters
        ----------
        weights : float64 array, shape (G, R)
            How often each group counts in each of R resamples.

        Returns
        -------
        dict of float64 arrays, shape (R,)
            By name, NaN where a metric is not defined. In addition ``calibration_gaps``,
            shape (bins, R): the terms whose absolute values add up to the ECE.
        """
        return {name: value for part in self._components for name, value in part(weights).items()}


class ThresholdMetrics:
    """The metrics that depend on a threshold: cheap, so that a slider may move it.

    Parameters
    ----------
    inputs : EvaluationInputs
    threshold : float
    """

    def __init__(self, inputs: EvaluationInputs, threshold: float) -> None:
        predicted = inputs.y_score >= threshold
        positive = inputs.y_true == 1
        cells = (
            ~positive & ~predicted,
            ~positive & predicted,
            positive & ~predicted,
            positive & predicted,
        )
        self._group_totals = sum_by_group(inputs, cells)  # (4, G)

    def __call__(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Return the metrics for every column of weights (G, R), each (R,)."""
        tn, fp, fn, tp = self._group_totals @ weights
        recall, specificity = safe_divide(tp, tp + fn), safe_divide(tn, tn + fp)
        return {
            "accuracy": safe_divide(tp + tn, tn + fp + fn + tp),
            "balanced_accuracy": (recall + specificity) / 2,
            "precision": safe_divide(tp, tp + fp),
            "recall": recall,
            "specificity": specificity,
            "f1": safe_divide(2 * tp, 2 * tp + fp + fn),
            "mcc": _mcc(tn, fp, fn, tp),
        }


class ProbabilityMetrics:
    """The metrics that do not depend on the threshold.

    Parameters
    ----------
    inputs : EvaluationInputs
    """

    def __init__(self, inputs: EvaluationInputs) -> None:
        labels, p = inputs.y_true, inputs.y_score
        gaps = np.zeros((CALIBRATION_BINS, inputs.n_groups))
        np.add.at(gaps, (assign_calibration_bins(p), inputs.group_codes), labels - p)
        sums = sum_by_group(
            inputs, (np.ones(inputs.n_slices), (p - labels) ** 2, log_loss_per_slice(labels, p))
        )
        self._group_totals = np.concatenate((sums, gaps))  # (3 + bins, G)
        self._rank_metrics = _RankMetrics(inputs)

    def __call__(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Return the metrics for every column of weights (G, R), each (R,)."""
        n, squared, logs, *gap_sums = self._group_totals @ weights
        gaps = np.array(gap_sums) / n
        auc, average_precision = self._rank_metrics(weights)
        return {
            "auc": auc,
            "average_precision": average_precision,
            "brier": squared / n,
            "log_loss": logs / n,
            "ece": np.abs(gaps).sum(axis=0),
            "calibration_gaps": gaps,
        }


def safe_divide(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divide, giving NaN (and no warning) where `denominator` is zero."""
    return np.divide(
        numerator, denominator, out=np.full(np.shape(denominator), np.nan), where=denominator > 0
    )


def _mcc(tn: FloatArray, fp: FloatArray, fn: FloatArray, tp: FloatArray) -> FloatArray:
    """Matthews correlation; 0 where all predictions are equal, NaN where all labels are."""
    one_class = (tp + fp == 0) | (tn + fn == 0)
    bottom = np.sqrt(tp + fp) * np.sqrt(tp + fn) * np.sqrt(tn + fp) * np.sqrt(tn + fn)
    ratio = safe_divide(tp * tn - fp * fn, bottom)
    value = np.where(one_class, 0.0, np.clip(ratio, -1.0, 1.0))  # rounding may exceed 1
    return np.where((tp + fn == 0) | (tn + fp == 0), np.nan, value)


def sum_by_group(inputs: EvaluationInputs, columns: Iterable[npt.NDArray[Any]]) -> FloatArray:
    """Return the sums of columns of shape (N,) over each group's slices, (columns, G)."""
    return np.array(
        [np.bincount(inputs.group_codes, c, minlength=inputs.n_groups) for c in columns]
    )


class _RankMetrics:
    """AUC and average precision from cumulative weights down the ranking."""

    def __init__(self, inputs: EvaluationInputs) -> None:
        order = np.argsort(-inputs.y_score, kind="stable")
        labels, scores = inputs.y_true[order], inputs.y_score[order]
        self._has_both_classes = inputs.has_both_classes
        self._pair_ranking = PairRanking(labels, scores, inputs.group_codes[order])
        falling = -scores[labels == 1]
        # For each positive, the last one of the same score.
        self._last_tied_positive = np.searchsorted(falling, falling, side="right") - 1

    def __call__(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return AUC (ties count half) and average precision, each (R,)."""
        if not self._has_both_classes:
            undefined = np.full(weights.shape[1], np.nan)
            return undefined, undefined
        positives, below, below_or_tied, negatives = self._pair_ranking.count_negatives(weights)
        hits = np.cumsum(positives, axis=0)
        total_positive, hits = hits[-1].copy(), hits[self._last_tied_positive]
        ordered = np.einsum("pr,pr->r", positives, below + below_or_tied) / 2
        auc = safe_divide(ordered, total_positive * negatives)

        false_positives = negatives - below
        # A positive of weight zero adds nothing, so its 0/0 may be anything finite.
        predicted = np.maximum(hits + false_positives, 1e-300)
        summed = np.einsum("pr,pr->r", positives, hits / predicted)
        # Without negatives it is always 1, so it is not defined, like the AUC.
        average_precision = safe_divide(summed, np.where(negatives > 0, total_positive, 0.0))
        return auc, average_precision
