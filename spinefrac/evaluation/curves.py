"""Curves over all thresholds: ROC, precision-recall, calibration, net benefit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac.errors import DatasetError
from spinefrac.evaluation.inputs import FloatArray, IntArray, Sample, make_sample
from spinefrac.evaluation.intervals import Interval, bootstrap, rate_interval
from spinefrac.evaluation.metric_kernels import ratio, sum_by_group


@dataclass(frozen=True)
class RocCurve:
    """Points from (0, 0) to (1, 1), all arrays of shape (T + 1,) for T distinct scores.

    `thresholds` falls; its first entry is infinite, where nothing is called a fracture.
    """

    thresholds: FloatArray
    false_positive_rate: FloatArray
    sensitivity: FloatArray

    @property
    def area(self) -> float:
        """Area under the curve by trapezoids, which is the AUC."""
        return float(np.trapezoid(self.sensitivity, self.false_positive_rate))


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """Points from recall 0 to 1, all arrays of shape (T + 1,) for T distinct scores.

    The first point, where nothing is called a fracture, has precision 1 by convention.
    """

    thresholds: FloatArray
    precision: FloatArray
    recall: FloatArray


@dataclass(frozen=True)
class Band:
    """Curves of several folds on one grid: `x`, `mean`, `low`, `high`, each (points,).

    `low` and `high` are one standard deviation over folds away from the mean, within 0…1.
    """

    x: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class CalibrationBin:
    """Slices of about the same probability, and how many of them have a fracture.

    `interval` is the 95 % interval of `observed` over groups, None where too few bear on it.
    """

    count: int
    predicted: float
    observed: float
    interval: Interval | None


@dataclass(frozen=True)
class SpiegelhalterTest:
    """Whether the probabilities could be right: standard normal `z` if they are, two-sided `p`.

    `z_groups` and `p_groups` are the same with a variance that lets a patient's slices
    resemble each other; for several slices a patient these are the ones to read.
    """

    z: float
    p: float
    z_groups: float
    p_groups: float


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit, in true positives a slice, against the threshold probability.

    All arrays of shape (T,). `treat_none` would be 0 throughout. `low` and `high` bound
    `model` at 95 % over groups, NaN where there is one group only.
    """

    thresholds: FloatArray
    model: FloatArray
    treat_all: FloatArray
    low: FloatArray
    high: FloatArray


def roc(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> RocCurve:
    """Return the ROC curve, with a point for every distinct probability.

    Parameters
    ----------
    labels, probabilities : array-like, shape (N,)

    Returns
    -------
    RocCurve

    Raises
    ------
    DatasetError
        If there is one class only.
    """
    sample = _both_classes(make_sample(labels, probabilities), "a ROC curve")
    thresholds, hits, alarms = _steps(sample)
    return RocCurve(thresholds, alarms / sample.negatives, hits / sample.positives)


def precision_recall(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> PrecisionRecallCurve:
    """Return the precision-recall curve. Parameters and errors as in `roc`."""
    sample = _both_classes(make_sample(labels, probabilities), "a precision-recall curve")
    thresholds, hits, alarms = _steps(sample)
    called = hits + alarms
    precision = np.divide(hits, called, out=np.ones_like(hits), where=called > 0)
    return PrecisionRecallCurve(thresholds, precision, hits / sample.positives)


def roc_band(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, folds: npt.ArrayLike, points: int = 101
) -> Band:
    """Return mean and spread over folds of the sensitivity at each false positive rate.

    Parameters
    ----------
    labels, probabilities, folds : array-like, shape (N,)
        Folds of one class are left out.
    points : int
        Grid points over 0…1.

    Returns
    -------
    Band
        `x` is the false positive rate.
    """

    def on_grid(y: IntArray, p: FloatArray, grid: FloatArray) -> FloatArray:
        curve = roc(y, p)
        # Of several points above one rate, `interp` takes the last, which is the highest.
        return np.interp(grid, curve.false_positive_rate, curve.sensitivity)

    return _band(on_grid, labels, probabilities, folds, points)


def precision_recall_band(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, folds: npt.ArrayLike, points: int = 101
) -> Band:
    """Return mean and spread over folds of the precision at each recall.

    Precision at a recall is that of the highest threshold which reaches it: a step, as a
    straight line between two points would promise too much (Davis and Goadrich, 2006).
    Parameters as in `roc_band`; `x` of the result is the recall.
    """

    def on_grid(y: IntArray, p: FloatArray, grid: FloatArray) -> FloatArray:
        curve = precision_recall(y, p)
        reached = np.searchsorted(curve.recall, grid - 1e-12, side="left")
        return curve.precision[reached]

    return _band(on_grid, labels, probabilities, folds, points)


def calibration(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    bins: int = 10,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[CalibrationBin, ...]:
    """Compare predicted with observed shares, in bins of about equally many slices.

    Parameters
    ----------
    labels, probabilities, groups : array-like, shape (N,)
    bins : int
        At most; slices of one probability are never split over two.
    resamples, seed : int
        Of the group bootstrap.

    Returns
    -------
    tuple of CalibrationBin
        By rising probability.
    """
    sample = make_sample(labels, probabilities, groups)
    edges = np.unique(np.quantile(sample.probabilities, np.linspace(0, 1, bins + 1)[1:-1]))
    _, member = np.unique(
        np.searchsorted(edges, sample.probabilities, side="left"), return_inverse=True
    )
    count = np.bincount(member)
    inside = member == np.arange(len(count))[:, None]  # (bins, N)
    positives = sum_by_group(sample, inside * sample.labels)
    slices = sum_by_group(sample, inside)

    def statistic(weights: FloatArray) -> dict[str, FloatArray]:
        return {"observed": ratio(positives @ weights, slices @ weights)}

    observed = statistic(np.ones((sample.groups, 1)))["observed"][:, 0]
    drawn = bootstrap(statistic, sample.groups, rows=sample.groups, resamples=resamples, seed=seed)[
        "observed"
    ]
    bearing = np.count_nonzero(slices, axis=1)
    predicted = np.bincount(member, sample.probabilities) / count
    return tuple(
        CalibrationBin(
            int(count[b]),
            float(predicted[b]),
            float(observed[b]),
            rate_interval(float(observed[b]), drawn[b], int(bearing[b])),
        )
        for b in range(len(count))
    )


def spiegelhalter(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, groups: npt.ArrayLike
) -> SpiegelhalterTest:
    """Test whether the probabilities are calibrated (Spiegelhalter, 1986).

    Parameters
    ----------
    labels, probabilities, groups : array-like, shape (N,)

    Returns
    -------
    SpiegelhalterTest
        The sum of (y - p)(1 - 2p) over its standard deviation: from p(1 - p) where slices are
        independent, and from the squared sums of each group where they are not.

    Raises
    ------
    DatasetError
        If every probability is 0, 0.5 or 1, where the test says nothing.
    """
    from scipy.special import ndtr

    sample = make_sample(labels, probabilities, groups)
    p = sample.probabilities
    lean = 1.0 - 2.0 * p
    terms = (sample.labels - p) * lean
    variance = float(np.sum(lean**2 * p * (1.0 - p)))
    if variance <= 0.0:
        raise DatasetError(
            "Expected probabilities other than 0, 0.5 and 1 for the calibration test, got "
            "none: use the model's probabilities, not its labels."
        )
    by_group = float(np.sum(sum_by_group(sample, [terms]) ** 2))
    total = float(terms.sum())
    z = total / variance**0.5
    z_groups = total / by_group**0.5 if by_group > 0.0 else 0.0
    return SpiegelhalterTest(
        z, 2.0 * float(ndtr(-abs(z))), z_groups, 2.0 * float(ndtr(-abs(z_groups)))
    )


def decision_curve(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    groups: npt.ArrayLike,
    thresholds: npt.ArrayLike | None = None,
    *,
    resamples: int = 500,
    seed: int = 0,
) -> DecisionCurve:
    """Return the net benefit of acting on the model (Vickers and Elkin, 2006).

    TP/N - FP/N × t/(1 - t): at threshold probability t, whoever acts takes a false alarm for
    t/(1 - t) of a found fracture.

    Parameters
    ----------
    labels, probabilities, groups : array-like, shape (N,)
    thresholds : array-like, shape (T,), optional
        Threshold probabilities, above or at 0 and below 1; 0.01, 0.02 … 0.99 where absent.
    resamples, seed : int
        Of the group bootstrap.

    Returns
    -------
    DecisionCurve

    Raises
    ------
    DatasetError
        If a threshold is outside of 0…1, or is 1.
    """
    sample = make_sample(labels, probabilities, groups)
    t = np.arange(1, 100) / 100 if thresholds is None else np.asarray(thresholds, np.float64)
    if t.ndim != 1 or not t.size or not ((t >= 0.0) & (t < 1.0)).all():
        raise DatasetError(
            "Expected threshold probabilities from 0 to below 1 for the decision curve, got "
            f"{np.round(t, 3).tolist()}: leave out those that are not."
        )
    price = t / (1.0 - t)
    # A slice's worth at every threshold: 1 found, -price for a false alarm, 0 not called.
    benefit = np.empty((len(t), sample.groups))
    for index, (threshold, cost) in enumerate(zip(t, price, strict=True)):
        called = sample.probabilities >= threshold
        worth = np.where(sample.labels == 1, 1.0, -cost) * called
        benefit[index] = sum_by_group(sample, [worth])[0]
    slices = np.bincount(sample.codes, minlength=sample.groups)
    low = high = np.full(len(t), np.nan)
    if sample.groups > 1 and resamples:
        drawn = bootstrap(
            lambda w: {"benefit": (benefit @ w) / (slices @ w)},
            sample.groups,
            rows=sample.groups,
            resamples=resamples,
            seed=seed,
        )
        low, high = np.quantile(drawn["benefit"], (0.025, 0.975), axis=1)
    prevalence = sample.positives / sample.n
    return DecisionCurve(
        t, benefit.sum(axis=1) / sample.n, prevalence - (1.0 - prevalence) * price, low, high
    )


def _both_classes(sample: Sample, what: str) -> Sample:
    if not sample.both_classes:
        raise DatasetError(
            f"Expected slices of both classes for {what}, got {sample.positives} with and "
            f"{sample.negatives} without a fracture: add slices of the missing class."
        )
    return sample


def _steps(sample: Sample) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return falling thresholds with the hits and false alarms at each, (T + 1,)."""
    order = np.argsort(-sample.probabilities, kind="stable")
    falling, positive = sample.probabilities[order], sample.labels[order]
    last = np.concatenate((np.flatnonzero(np.diff(falling)), [sample.n - 1]))
    hits = np.cumsum(positive)[last]
    alarms = last + 1 - hits
    return (
        np.concatenate(([np.inf], falling[last])),
        np.concatenate(([0.0], hits)),
        np.concatenate(([0.0], alarms)),
    )


def _band(
    on_grid: Callable[[IntArray, FloatArray, FloatArray], FloatArray],
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    folds: npt.ArrayLike,
    points: int,
) -> Band:
    """Return mean and spread over folds of a curve read off on one grid."""
    sample = make_sample(labels, probabilities, folds)
    grid = np.linspace(0.0, 1.0, points)
    rows = []
    for fold in range(sample.groups):
        mine = sample.codes == fold
        if 0 < sample.labels[mine].sum() < mine.sum():
            rows.append(on_grid(sample.labels[mine], sample.probabilities[mine], grid))
    if not rows:
        raise DatasetError(
            "Expected a fold with slices of both classes for a curve over folds, got none: "
            "train with fewer folds."
        )
    curves = np.array(rows)  # (folds, points)
    mean = curves.mean(axis=0)
    spread = curves.std(axis=0, ddof=1) if len(rows) > 1 else np.zeros(points)
    return Band(grid, mean, np.clip(mean - spread, 0, 1), np.clip(mean + spread, 0, 1))
