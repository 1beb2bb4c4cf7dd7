"""All metrics of a classifier of slices, each with its interval."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from spinefrac.errors import DatasetError
from spinefrac.evaluation.inputs import FloatArray, Sample, make_sample
from spinefrac.evaluation.intervals import (
    Interval,
    bootstrap,
    percentile_interval,
    positive_interval,
    rate_interval,
)
from spinefrac.evaluation.metric_kernels import METRIC_NAMES, CallMetrics, ProbabilityMetrics
from spinefrac.records import CLASS_NAMES


@dataclass(frozen=True, slots=True)
class Metrics:
    """Metrics on N slices of G groups at one threshold.

    A metric that the slices do not define (AUC with one class only, precision where nothing
    was called a fracture) is None, never NaN; `notes` then says why and what to do.

    Attributes
    ----------
    n, groups : int
        Slices and groups.
    threshold : float
        A slice is called a fracture at or above it.
    accuracy, balanced_accuracy, precision, recall, specificity, f1 : float or None
        At the threshold; recall is sensitivity.
    mcc : float or None
        Matthews correlation, -1…1; 0 where every slice was called the same.
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
        What a reader of these numbers must know.
    """

    n: int
    groups: int
    threshold: float
    accuracy: float | None
    balanced_accuracy: float | None
    precision: float | None
    recall: float | None
    specificity: float | None
    f1: float | None
    mcc: float | None
    auc: float | None
    average_precision: float | None
    brier: float | None
    log_loss: float | None
    ece: float | None
    confusion_matrix: tuple[tuple[int, int], tuple[int, int]]
    ci: dict[str, Interval] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

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

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Metrics:
        """Rebuild from what `to_dict` gave."""
        (tn, fp), (fn, tp) = data["confusion_matrix"]
        return cls(
            **{name: data.get(name) for name in METRIC_NAMES},
            n=data["n"],
            groups=data["groups"],
            threshold=data["threshold"],
            confusion_matrix=((tn, fp), (fn, tp)),
            ci={name: (low, high) for name, (low, high) in data["ci"].items()},
            notes=tuple(data.get("notes", ())),
        )


def summarize(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    groups: npt.ArrayLike,
    threshold: float,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Metrics:
    """Measure a classifier's answers, with 95 % intervals over groups.

    Parameters
    ----------
    labels : array-like, shape (N,)
        1 for fracture, 0 for none.
    probabilities : array-like, shape (N,)
        Probability of fracture, 0…1.
    groups : array-like, shape (N,)
        What was sampled as one, such as a patient; intervals resample these.
    threshold : float
        A slice is called a fracture at or above it.
    resamples : int
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
    """
    return Measurement(labels, probabilities, groups, resamples=resamples, seed=seed).at(threshold)


class Measurement:
    """A classifier's answers, ready to be measured at one threshold after another.

    What does not depend on the threshold is done once, here; `at` does the rest in a few
    hundredths of a second, so that a slider can move it.

    Parameters, errors as in `summarize`.
    """

    def __init__(
        self,
        labels: npt.ArrayLike,
        probabilities: npt.ArrayLike,
        groups: npt.ArrayLike,
        *,
        resamples: int = 2000,
        seed: int = 0,
    ) -> None:
        self.sample = make_sample(labels, probabilities, groups)
        self._resamples = resamples if self.sample.groups > 1 else 0
        self._seed = seed
        self._point, self._drawn = self._evaluate(ProbabilityMetrics(self.sample))

    def at(self, threshold: float) -> Metrics:
        """Return all metrics where a slice is called a fracture at or above `threshold`."""
        if not np.isfinite(threshold):
            raise DatasetError(
                f"Expected a finite threshold, got {threshold}: choose one between 0 and 1."
            )
        called, called_drawn = self._evaluate(CallMetrics(self.sample, threshold))
        point = called | self._point
        ci = metric_intervals(self.sample, point, called_drawn | self._drawn)
        return Metrics(
            n=self.sample.n,
            groups=self.sample.groups,
            threshold=float(threshold),
            **{name: point[name] if np.isfinite(point[name]) else None for name in METRIC_NAMES},
            confusion_matrix=confusion_matrix(self.sample, threshold),
            ci=ci,
            notes=_notes(self.sample, threshold),
        )

    def _evaluate(
        self, part: CallMetrics | ProbabilityMetrics
    ) -> tuple[dict[str, float], dict[str, FloatArray]]:
        """Return the metrics of the sample, and those of its resamples (none: empty)."""
        everything = part(np.ones((self.sample.groups, 1)))
        point = {name: float(value[0]) for name, value in everything.items() if value.ndim == 1}
        if not self._resamples:
            return point, {}
        drawn = bootstrap(
            part,
            self.sample.groups,
            rows=self.sample.n,
            resamples=self._resamples,
            seed=self._seed,
        )
        return point, drawn


def metric_intervals(
    sample: Sample, point: dict[str, float], drawn: dict[str, FloatArray]
) -> dict[str, Interval]:
    """Return the 95 % interval of every metric that has one.

    Parameters
    ----------
    sample : Sample
    point : dict of float
        The metrics of the sample.
    drawn : dict of float64 arrays, shape (R,)
        The same on resamples of its groups, from `WeightedMetrics`; empty for no intervals.

    Returns
    -------
    dict of (low, high)
    """
    if not drawn:
        return {}
    found: dict[str, Interval | None] = {}
    for name in METRIC_NAMES:
        value, replicates, groups = point[name], drawn[name], bearing_groups(sample, name)
        if name == "log_loss":
            found[name] = positive_interval(value, replicates, groups)
        elif name == "ece":
            found[name] = percentile_interval(unbiased_ece(drawn["calibration_gaps"]))
        else:
            lowest = -1.0 if name == "mcc" else 0.0
            found[name] = rate_interval(value, replicates, groups, lowest=lowest)
    return {name: pair for name, pair in found.items() if pair and np.isfinite(point[name])}


def bearing_groups(sample: Sample, name: str) -> int:
    """Return how many groups bear on a metric, from which its degrees of freedom follow.

    Sensitivity rests on the groups with a fracture, specificity on those without one
    somewhere, what mixes both on the rarer kind, and the rest on all.
    """
    with_fracture = len(np.unique(sample.codes[sample.labels == 1]))
    without = len(np.unique(sample.codes[sample.labels == 0]))
    if name in ("accuracy", "brier", "log_loss", "ece"):
        return sample.groups
    if name == "recall":
        return with_fracture
    return without if name == "specificity" else min(with_fracture, without)


def unbiased_ece(gaps: FloatArray) -> FloatArray:
    """Return the ECE of each resample without what resampling itself adds, shape (R,).

    The absolute value of a noisy gap is too large on average, and a resample's gap is
    noisy twice over: the square of each gap (bins, R) loses its variance over the resamples.
    Without this the percentile interval of a well calibrated model lies above the truth.
    """
    noise = gaps.var(axis=1, keepdims=True)
    return np.sqrt(np.maximum(0.0, gaps**2 - noise)).sum(axis=0)


def confusion_matrix(sample: Sample, threshold: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return ((tn, fp), (fn, tp)): rows are the truth, columns the answer."""
    called = (sample.probabilities >= threshold).astype(np.int64)
    tn, fp, fn, tp = np.bincount(2 * sample.labels + called, minlength=4).tolist()
    return (tn, fp), (fn, tp)


def _notes(sample: Sample, threshold: float) -> tuple[str, ...]:
    """Return what the numbers cannot say by themselves."""
    notes = []
    if not sample.both_classes:
        only, other = CLASS_NAMES[sample.labels[0]], CLASS_NAMES[1 - sample.labels[0]]
        notes.append(
            f"All {sample.n} slices are of the class '{only}', so the AUC and the other metrics "
            f"that need both classes are not defined: add slices of the class '{other}'."
        )
    if not (sample.probabilities >= threshold).any():
        notes.append(
            f"No slice reached the threshold {threshold:.3g}, so precision is not defined: "
            "choose a lower threshold."
        )
    if sample.groups == 1:
        notes.append(
            f"All {sample.n} slices are of one group, so no interval can be given: "
            "add slices of other patients."
        )
    elif sample.both_classes and bearing_groups(sample, "auc") == 1:
        rare = "with" if bearing_groups(sample, "recall") == 1 else "without"
        notes.append(
            f"Only one of {sample.groups} groups has slices {rare} a fracture, so metrics that "
            "rest on these have no interval: add slices of other patients."
        )
    return tuple(notes)
