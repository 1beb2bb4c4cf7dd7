"""Curves over all thresholds: ROC, precision-recall, calibration, net benefit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac.errors import DatasetError
from spinefrac.evaluation.inputs import EvaluationInputs, FloatArray, IntArray, make_inputs
from spinefrac.evaluation.intervals import Interval, bootstrap, rate_interval
from spinefrac.evaluation.metric_kernels import safe_divide, sum_by_group


@dataclass(frozen=True)
class RocCurve:
    """Points from (0, 0) to (1, 1), all arrays of shape (T + 1,) for T distinct scores.

    `thresholds` falls; its first entry is infinite: no slice is predicted fracture.
    """

    thresholds: FloatArray
    false_positive_rate: FloatArray
    true_positive_rate: FloatArray


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """Points from recall 0 to 1, all arrays of shape (T + 1,) for T distinct scores.

    The first point, where no slice is predicted fracture, has precision 1 by convention.
    """

    thresholds: FloatArray
    precision: FloatArray
    recall: FloatArray


@dataclass(frozen=True)
class CurveBand:
    """Curves of several folds on one grid: `x`, `mean`, `low`, `high`, each (points,).

    `low` and `high` are one standard deviation over folds away from the mean, within 0…1.
    """

    x: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class CalibrationBin:
    """Slices of similar probability, and the share of them with a fracture.

    `interval` is the 95 % interval of `fraction_of_positives` over groups, None for too few.
    """

    count: int
    mean_predicted_probability: float
    fraction_of_positives: float
    interval: Interval | None


@dataclass(frozen=True)
class SpiegelhalterTest:
    """Test of calibration: `z` is standard normal for calibrated probabilities; `p` two-sided.

    `z_groups` and `p_groups` are the same with a variance that allows for correlated slices of a
    patient; use these where patients have several slices.
    """

    z: float
    p: float
    z_groups: float
    p_groups: float


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit, in true positives a slice, against the threshold probability.

    All arrays of shape (T,). Treating none has net benefit 0. `low` and `high` bound
    `net_benefit` at 95 % over groups, NaN where there is one group only.
    """

    thresholds: FloatArray
    net_benefit: FloatArray
    treat_all: FloatArray
    low: FloatArray
    high: FloatArray


def roc_curve(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> RocCurve:
    """Return the ROC curve, with a point for every distinct probability.

    Parameters
    ----------
    y_true, y_score : array-like, shape (N,)

    Returns
    -------
    RocCurve

    Raises
    ------
    DatasetError
        If there is one class only.
    """
    inputs = _require_both_classes(make_inputs(y_true, y_score), "a ROC curve")
    thresholds, true_positives, false_positives = _cumulative_counts(inputs)
    return RocCurve(
        thresholds, false_positives / inputs.n_negatives, true_positives / inputs.n_positives
    )


def precision_recall_curve(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> PrecisionRecallCurve:
    """Return the precision-recall curve. Parameters and errors as in `roc_curve`."""
    inputs = _require_both_classes(make_inputs(y_true, y_score), "a precision-recall curve")
    thresholds, true_positives, false_positives = _cumulative_counts(inputs)
    predicted = true_positives + false_positives
    precision = np.divide(
        true_positives, predicted, out=np.ones_like(true_positives), where=predicted > 0
    )
    return PrecisionRecallCurve(thresholds, precision, true_positives / inputs.n_positives)


def roc_curve_band(
    y_true: npt.ArrayLike, y_score: npt.ArrayLike, folds: npt.ArrayLike, n_points: int = 101
) -> CurveBand:
    """Return mean and spread over folds of the sensitivity at each false positive rate.

    Parameters
    ----------
    y_true, y_score, folds : array-like, shape (N,)
        Folds of one class are left out.
    n_points : int
        Grid points over 0…1.

    Returns
    -------
    CurveBand
        `x` is the false positive rate.
    """

    def on_grid(y: IntArray, p: FloatArray, grid: FloatArray) -> FloatArray:
        curve = roc_curve(y, p)
        # Of several points above one rate, `interp` takes the last, which is the highest.
        return np.interp(grid, curve.false_positive_rate, curve.true_positive_rate)

    return _curve_band(on_grid, y_true, y_score, folds, n_points)


def precision_recall_curve_band(
    y_true: npt.ArrayLike, y_score: npt.ArrayLike, folds: npt.ArrayLike, n_points: int = 101
) -> CurveBand:
    """Return mean and spread over folds of the precision at each recall.

    Precision at a recall is that of the highest threshold which reaches it: a step, as a
    straight line between two points would be too high (Davis and Goadrich, 2006).
    Parameters as in `roc_curve_band`; `x` of the result is the recall.
    """

    def on_grid(y: IntArray, p: FloatArray, grid: FloatArray) -> FloatArray:
        curve = precision_recall_curve(y, p)
        reached = np.searchsorted(curve.recall, grid - 1e-12, side="left")
        return curve.precision[reached]

    return _curve_band(on_grid, y_true, y_score, folds, n_points)


def calibration_curve(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    n_bins: int = 10,
    n_resamples: int = 2000,
    seed: int = 0,
) -> tuple[CalibrationBin, ...]:
    """Return observed against predicted shares, in bins of about the same number of slices.

    Parameters
    ----------
    y_true, y_score, groups : array-like, shape (N,)
    n_bins : int
        At most; slices of one probability are never split over two.
    n_resamples, seed : int
        Of the group bootstrap.

    Returns
    -------
    tuple of CalibrationBin
        By rising probability.
    """
    inputs = make_inputs(y_true, y_score, groups)
    edges = np.unique(np.quantile(inputs.y_score, np.linspace(0, 1, n_bins + 1)[1:-1]))
    _, member = np.unique(np.searchsorted(edges, inputs.y_score, side="left"), return_inverse=True)
    count = np.bincount(member)
    inside = member == np.arange(len(count))[:, None]  # (bins, N)
    positives = sum_by_group(inputs, inside * inputs.y_true)
    slices = sum_by_group(inputs, inside)

    def statistic(weights: FloatArray) -> dict[str, FloatArray]:
        return {"observed": safe_divide(positives @ weights, slices @ weights)}

    observed = statistic(np.ones((inputs.n_groups, 1)))["observed"][:, 0]
    drawn = bootstrap(
        statistic, inputs.n_groups, n_slices=inputs.n_groups, n_resamples=n_resamples, seed=seed
    )["observed"]
    bearing = np.count_nonzero(slices, axis=1)
    predicted = np.bincount(member, inputs.y_score) / count
    return tuple(
        CalibrationBin(
            int(count[b]),
            float(predicted[b]),
            float(observed[b]),
            rate_interval(float(observed[b]), drawn[b], int(bearing[b])),
        )
        for b in range(len(count))
    )


def spiegelhalter_test(
    y_true: npt.ArrayLike, y_score: npt.ArrayLike, groups: npt.ArrayLike
) -> SpiegelhalterTest:
    """Test whether the probabilities are calibrated (Spiegelhalter, 1986).

    Parameters
    ----------
    y_true, y_score, groups : array-like, shape (N,)

    Returns
    -------
    SpiegelhalterTest
        The sum of (y - p)(1 - 2p) over its standard deviation: from p(1 - p) where slices are
        independent, and from the squared sums of each group where they are not.

    Raises
    ------
    DatasetError
        If every probability is 0, 0.5 or 1, where the test is not defined.
    """
    from scipy.special import ndtr

    inputs = make_inputs(y_true, y_score, groups)
    p = inputs.y_score
    weight = 1.0 - 2.0 * p
    terms = (inputs.y_true - p) * weight
    variance = float(np.sum(weight**2 * p * (1.0 - p)))
    if variance <= 0.0:
        raise DatasetError(
            "Expected probabilities other than 0, 0.5 and 1 for the calibration test, got "
            "none: use the model's probabilities, not its labels."
        )
    by_group = float(np.sum(sum_by_group(inputs, [terms]) ** 2))
    total = float(terms.sum())
    z = total / variance**0.5
    z_groups = total / by_group**0.5 if by_group > 0.0 else 0.0
    return SpiegelhalterTest(
        z, 2.0 * float(ndtr(-abs(z))), z_groups, 2.0 * float(ndtr(-abs(z_groups)))
    )


def decision_curve(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    groups: npt.ArrayLike,
    thresholds: npt.ArrayLike | None = None,
    *,
    n_resamples: int = 500,
    seed: int = 0,
) -> DecisionCurve:
    """Return the net benefit of treating by the model (Vickers and Elkin, 2006).

    TP/N - FP/N × t/(1 - t): at threshold probability t, a false positive costs t/(1 - t) of the
    benefit of a true positive.

    Parameters
    ----------
    y_true, y_score, groups : array-like, shape (N,)
    thresholds : array-like, shape (T,), optional
        Threshold probabilities, above or at 0 and below 1; 0.01, 0.02 … 0.99 where absent.
    n_resamples, seed : int
        Of the group bootstrap.

    Returns
    -------
    DecisionCurve

    Raises
    ------
    DatasetError
        If a threshold is outside of 0…1, or is 1.
    """
    inputs = make_inputs(y_true, y_score, groups)
    t = np.arange(1, 100) / 100 if thresholds is None else np.asarray(thresholds, np.float64)
    if t.ndim != 1 or not t.size or not ((t >= 0.0) & (t < 1.0)).all():
        raise DatasetError(
            "Expected threshold probabilities from 0 to below 1 for the decision curve, got "
            f"{np.round(t, 3).tolist()}: leave out those that are not."
        )
    odds = t / (1.0 - t)
    # Of a slice at every threshold: 1 for a true positive, -odds for a false one, else 0.
    benefit = np.empty((len(t), inputs.n_groups))
    for index, (threshold, cost) in enumerate(zip(t, odds, strict=True)):
        positive = inputs.y_score >= threshold
        contribution = np.where(inputs.y_true == 1, 1.0, -cost) * positive
        benefit[index] = sum_by_group(inputs, [contribution])[0]
    slices = np.bincount(inputs.group_codes, minlength=inputs.n_groups)
    low = high = np.full(len(t), np.nan)
    if inputs.n_groups > 1 and n_resamples:
        drawn = bootstrap(
            lambda w: {"benefit": (benefit @ w) / (slices @ w)},
            inputs.n_groups,
            n_slices=inputs.n_groups,
            n_resamples=n_resamples,
            seed=seed,
        )
        low, high = np.quantile(drawn["benefit"], (0.025, 0.975), axis=1)
    prevalence = inputs.n_positives / inputs.n_slices
    return DecisionCurve(
        t, benefit.sum(axis=1) / inputs.n_slices, prevalence - (1.0 - prevalence) * odds, low, high
    )


def _require_both_classes(inputs: EvaluationInputs, curve_name: str) -> EvaluationInputs:
    if not inputs.has_both_classes:
        raise DatasetError(
            f"Expected slices of both classes for {curve_name}, got {inputs.n_positives} with and "
            f"{inputs.n_negatives} without a fracture: add slices of the missing class."
        )
    return inputs


def _cumulative_counts(inputs: EvaluationInputs) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return falling thresholds with true and false positives at each, (T + 1,)."""
    order = np.argsort(-inputs.y_score, kind="stable")
    falling, positive = inputs.y_score[order], inputs.y_true[order]
    last = np.concatenate((np.flatnonzero(np.diff(falling)), [inputs.n_slices - 1]))
    true_positives = np.cumsum(positive)[last]
    false_positives = last + 1 - true_positives
    return (
        np.concatenate(([np.inf], falling[last])),
        np.concatenate(([0.0], true_positives)),
        np.concatenate(([0.0], false_positives)),
    )


def _curve_band(
    interpolate: Callable[[IntArray, FloatArray, FloatArray], FloatArray],
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    folds: npt.ArrayLike,
    n_points: int,
) -> CurveBand:
    """Return mean and spread over folds of a curve on one grid."""
    inputs = make_inputs(y_true, y_score, folds)
    grid = np.linspace(0.0, 1.0, n_points)
    rows = []
    for fold in range(inputs.n_groups):
        mine = inputs.group_codes == fold
        if 0 < inputs.y_true[mine].sum() < mine.sum():
            rows.append(interpolate(inputs.y_true[mine], inputs.y_score[mine], grid))
    if not rows:
        raise DatasetError(
            "Expected a fold with slices of both classes for a curve over folds, got none: "
            "train with fewer folds."
        )
    curves = np.array(rows)  # (folds, points)
    mean = curves.mean(axis=0)
    spread = curves.std(axis=0, ddof=1) if len(rows) > 1 else np.zeros(n_points)
    return CurveBand(grid, mean, np.clip(mean - spread, 0, 1), np.clip(mean + spread, 0, 1))
