"""All metrics of a classifier of slices, each with its interval."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from spinefrac import wording
from spinefrac.errors import DatasetError
from spinefrac.evaluation.inputs import EvaluationInputs, FloatArray, make_inputs
from spinefrac.evaluation.intervals import (
    AVERAGED_GROUP_VARIANCE,
    RATE_GROUP_VARIANCE,
    Interval,
    bootstrap,
    log_scale_interval,
    percentile_interval,
    rate_interval,
)
from spinefrac.evaluation.metric_kernels import METRIC_NAMES, ProbabilityMetrics, ThresholdMetrics
from spinefrac.records import CLASS_NAMES, Count, NotNegative, Share, Threshold

#: Metrics that are averaged over pairs or probabilities and not over predicted classes.
_AVERAGED_METRICS = ("auc", "average_precision", "brier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Metrics on N slices of G groups at one threshold.

    A metric that the slices do not define (AUC with one class only, precision where nothing
    was predicted fracture) is None, never NaN; `notes` then gives the reason and a remedy.

    Attributes
    ----------
    n, groups : int
        Slices and groups.
    threshold : float
        At or above it the predicted class is fracture.
    accuracy, balanced_accuracy, precision, recall, specificity, f1 : float or None
        At the threshold; recall is sensitivity.
    mcc : float or None
        Matthews correlation, -1…1; 0 where every slice has the same predicted class.
    auc : float or None
        Area under the ROC curve (Hanley and McNeil, 1982), ties count half.
    average_precision : float or None
        Precision averaged over the steps of recall, without interpolation.
    brier : float or None
        Mean squared error of the probability (Brier, 1950), 0…1.
    log_loss : float or None
        Mean negative log-likelihood, in nats.
    ece : float or None
        Expected calibration error over 15 bins of equal width (Guo et al., 2017).
    confusion_matrix : ((tn, fp), (fn, tp))
    ci : dict
        Metric name to (low, high), the 95 % interval over groups; a metric without an
        interval is not in it.
    notes : tuple of str
        What must be known to interpret the metrics.
    """

    n: Count
    groups: Count
    threshold: Threshold
    accuracy: Share | None = None
    balanced_accuracy: Share | None = None
    precision: Share | None = None
    recall: Share | None = None
    specificity: Share | None = None
    f1: Share | None = None
    mcc: Annotated[float, Meta(ge=-1.0, le=1.0)] | None = None
    auc: Share | None = None
    average_precision: Share | None = None
    brier: Share | None = None
    log_loss: NotNegative | None = None
    ece: Share | None = None
    confusion_matrix: tuple[tuple[Count, Count], tuple[Count, Count]]
    ci: dict[str, Interval] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def format_metric(self, name: str) -> str:
        """Return a metric with its interval as text, such as ``0.912 (0.880 to 0.940)``."""
        return wording.format_estimate(getattr(self, name), self.ci.get(name))

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and None, ready for JSON."""
        head = {"n": self.n, "groups": self.groups, "threshold": self.threshold}
        values = {name: getattr(self, name) for name in METRIC_NAMES}
        return {
            **head,
            **values,
            "confusion_matrix": [list(row) for row in self.confusion_matrix],
            "ci": {name: list(pair) for name, pair in self.ci.items()},
            "notes": list(self.notes),
        }


def compute_metrics(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    groups: npt.ArrayLike,
    threshold: float,
    *,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Metrics:
    """Compute the metrics of a classifier, with 95 % intervals over groups.

    Parameters
    ----------
    y_true : array-like, shape (N,)
        1 for fracture, 0 for none.
    y_score : array-like, shape (N,)
        Probability of fracture, 0…1.
    groups : array-like, shape (N,)
        Group of each slice, as a rule the patient; the bootstrap draws whole groups.
    threshold : float
        At or above it the predicted class is fracture.
    n_resamples : int
        Bootstrap resamples; 0 for no intervals.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    Metrics

    Raises
    ------
    DatasetError
        If the arrays are empty, of different lengths, not finite or out of range.

    Examples
    --------
    >>> metrics = compute_metrics([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], ["a", "b", "c", "d"], 0.5)
    >>> metrics.auc, metrics.recall, metrics.specificity
    (0.75, 0.5, 1.0)
    >>> metrics.confusion_matrix  # (tn, fp), (fn, tp)
    ((2, 0), (1, 1))
    """
    return MetricsCalculator(
        y_true, y_score, groups, n_resamples=n_resamples, seed=seed
    ).at_threshold(threshold)


class MetricsCalculator:
    """The metrics of a classifier, at any number of thresholds.

    What does not depend on the threshold is computed once, here; `at_threshold` computes the rest
    in a few hundredths of a second, so that a slider can move it. Parameters and errors are those
    of `compute_metrics`.
    """

    def __init__(
        self,
        y_true: npt.ArrayLike,
        y_score: npt.ArrayLike,
        groups: npt.ArrayLike,
        *,
        n_resamples: int = 2000,
        seed: int = 0,
    ) -> None:
        self.inputs = make_inputs(y_true, y_score, groups)
        self._n_resamples = n_resamples if self.inputs.n_groups > 1 else 0
        self._seed = seed
        self._estimates, self._replicates = self._evaluate(ProbabilityMetrics(self.inputs))

    def at_threshold(self, threshold: float) -> Metrics:
        """Return all metrics at a threshold."""
        if not np.isfinite(threshold):
            raise DatasetError(
                f"Expected a finite threshold, got {threshold}: choose one between 0 and 1."
            )
        point, replicates = self._evaluate(ThresholdMetrics(self.inputs, threshold))
        point |= self._estimates
        ci = metric_intervals(self.inputs, point, replicates | self._replicates)
        return Metrics(
            n=self.inputs.n_slices,
            groups=self.inputs.n_groups,
            threshold=float(threshold),
            **{name: point[name] if np.isfinite(point[name]) else None for name in METRIC_NAMES},
            confusion_matrix=confusion_matrix(self.inputs, threshold),
            ci=ci,
            notes=_build_notes(self.inputs, threshold),
        )

    def _evaluate(
        self, statistic: ThresholdMetrics | ProbabilityMetrics
    ) -> tuple[dict[str, float], dict[str, FloatArray]]:
        """Return the metrics of the sample, and those of its resamples (none: empty)."""
        everything = statistic(np.ones((self.inputs.n_groups, 1)))
        point = {name: float(value[0]) for name, value in everything.items() if value.ndim == 1}
        if not self._n_resamples:
            return point, {}
        drawn = bootstrap(
            statistic,
            self.inputs.n_groups,
            n_slices=self.inputs.n_slices,
            n_resamples=self._n_resamples,
            seed=self._seed,
        )
        return point, drawn


def metric_intervals(
    inputs: EvaluationInputs,
    estimates: dict[str, float],
    bootstrap_replicates: dict[str, FloatArray],
) -> dict[str, Interval]:
    """Return the 95 % interval of every metric that has one.

    Parameters
    ----------
    inputs : EvaluationInputs
    estimates : dict of float
        The metrics of the sample.
    bootstrap_replicates : dict of float64 arrays, shape (R,)
        The same on resamples of its groups, from `WeightedMetrics`; empty for no intervals.

    Returns
    -------
    dict of (low, high)
    """
    if not bootstrap_replicates:
        return {}
    found: dict[str, Interval | None] = {}
    for name in METRIC_NAMES:
        value, replicates, groups = (
            estimates[name],
            bootstrap_replicates[name],
            count_contributing_groups(inputs, name),
        )
        if name == "log_loss":
            found[name] = log_scale_interval(value, replicates, groups)
        elif name == "ece":
            found[name] = percentile_interval(
                debiased_ece(bootstrap_replicates["calibration_gaps"])
            )
        else:
            found[name] = rate_interval(
                value,
                replicates,
                groups,
                lower_bound=-1.0 if name == "mcc" else 0.0,
                group_variance=AVERAGED_GROUP_VARIANCE
                if name in _AVERAGED_METRICS
                else RATE_GROUP_VARIANCE,
            )
    return {name: pair for name, pair in found.items() if pair and np.isfinite(estimates[name])}


def count_contributing_groups(inputs: EvaluationInputs, metric_name: str) -> int:
    """Return how many groups contribute to a metric; its degrees of freedom follow from it.

    For sensitivity these are the groups with a fracture, for specificity those with a slice
    without one, for metrics of both the smaller of these, and for the others all groups.
    """
    with_fracture = len(np.unique(inputs.group_codes[inputs.y_true == 1]))
    without = len(np.unique(inputs.group_codes[inputs.y_true == 0]))
    if metric_name in ("accuracy", "brier", "log_loss", "ece"):
        return inputs.n_groups
    if metric_name == "recall":
        return with_fracture
    return without if metric_name == "specificity" else min(with_fracture, without)


def debiased_ece(calibration_gaps: FloatArray) -> FloatArray:
    """Return the ECE of each resample without the bias of resampling, shape (R,).

    The absolute value of a noisy gap is too large on average, and the gap of a resample has the
    noise of the data and of the resampling: its variance over the resamples is subtracted from
    the square of each gap (bins, R). Without this the percentile interval of a well calibrated
    model lies above the true value.
    """
    noise = calibration_gaps.var(axis=1, keepdims=True)
    return np.sqrt(np.maximum(0.0, calibration_gaps**2 - noise)).sum(axis=0)


def confusion_matrix(
    inputs: EvaluationInputs, threshold: float
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return ((tn, fp), (fn, tp)): rows are labels, columns predicted classes."""
    predicted = (inputs.y_score >= threshold).astype(np.int64)
    tn, fp, fn, tp = np.bincount(2 * inputs.y_true + predicted, minlength=4).tolist()
    return (tn, fp), (fn, tp)


def _build_notes(inputs: EvaluationInputs, threshold: float) -> tuple[str, ...]:
    """Return why metrics are not defined, and what to do."""
    notes = []
    if not inputs.has_both_classes:
        only, other = CLASS_NAMES[inputs.y_true[0]], CLASS_NAMES[1 - inputs.y_true[0]]
        notes.append(
            f"All {inputs.n_slices} slices are of the class '{only}', so the AUC and the other "
            f"metrics that need both classes are not defined: add slices of the class '{other}'."
        )
    if not (inputs.y_score >= threshold).any():
        notes.append(
            f"No slice reached the threshold {threshold:.3g}, so the PPV is not defined: "
            "choose a lower threshold."
        )
    if inputs.n_groups == 1:
        notes.append(
            f"All {inputs.n_slices} slices are of one group, so no interval can be given: "
            "add slices of other patients."
        )
    elif inputs.has_both_classes and count_contributing_groups(inputs, "auc") == 1:
        rare = "with" if count_contributing_groups(inputs, "recall") == 1 else "without"
        notes.append(
            f"Only one of {inputs.n_groups} groups has slices {rare} a fracture, so metrics that "
            "rest on these have no interval: add slices of other patients."
        )
    return tuple(notes)
