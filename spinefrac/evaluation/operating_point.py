"""The operating point: the threshold of the predicted class, chosen by a stated rule.

Choose it on out-of-fold predictions only: a threshold fitted to the evaluated slices makes the
metrics too good.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from spinefrac.errors import DatasetError
from spinefrac.evaluation.inputs import EvaluationInputs, FloatArray, make_inputs
from spinefrac.evaluation.intervals import Interval, bootstrap, percentile_interval, rate_interval
from spinefrac.evaluation.metric_kernels import safe_divide
from spinefrac.evaluation.metrics import count_contributing_groups
from spinefrac.records import Share, Threshold

THRESHOLD_RULES = "youden, sensitivity:0.9, specificity:0.9 or cost:5"


#: Wherever metrics are shown at a threshold that was chosen on the same slices.
THRESHOLD_OPTIMISM_NOTE = (
    "The threshold was chosen on these same slices, so sensitivity and specificity are slightly "
    "too high."
)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold, how it was chosen, and its metrics on the slices it was chosen on.

    Attributes
    ----------
    threshold : float
        At or above it the predicted class is fracture.
    rule : str
        As given to `choose_threshold`.
    sensitivity, specificity : float or None
        None where there was no evaluation, as for `DEFAULT_OPERATING_POINT`.
    ci : dict
        ``sensitivity`` and ``specificity`` at this threshold, and ``threshold`` as chosen
        anew in each resample: (low, high), 95 %, over groups. Empty for one group.
    """

    threshold: Threshold
    rule: str
    sensitivity: Share | None
    specificity: Share | None
    ci: dict[str, Interval] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, ready for JSON."""
        return {
            "threshold": self.threshold,
            "rule": self.rule,
            "sensitivity": self.sensitivity,
            "specificity": self.specificity,
            "ci": {name: list(pair) for name, pair in self.ci.items()},
        }


#: Of an imported network: neither calibrated nor evaluated.
DEFAULT_OPERATING_POINT = OperatingPoint(
    0.5, "not chosen: 0.5 of an uncalibrated probability", None, None
)


def choose_threshold(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    groups: npt.ArrayLike,
    rule: str = "youden",
    *,
    n_resamples: int = 2000,
    seed: int = 0,
) -> OperatingPoint:
    """Choose the threshold on out-of-fold predictions.

    Parameters
    ----------
    y_true, y_score, groups : array-like, shape (N,)
        As in `metrics.compute_metrics`.
    rule : str
        ``youden`` (largest sensitivity + specificity - 1; Youden, 1950),
        ``sensitivity:S`` (best specificity with at least this sensitivity),
        ``specificity:S`` (best sensitivity with at least this specificity), or
        ``cost:C`` (least cost on these slices, where a false negative costs C false positives).
    n_resamples, seed : int
        Of the group bootstrap; 0 resamples for no intervals.

    Returns
    -------
    OperatingPoint
        The threshold lies midway between two neighbouring probabilities, so that rounding
        does not move a slice over it. Of equally good ones it is the most sensitive.

    Raises
    ------
    DatasetError
        If the rule is not one of these, or there is one class only.

    Examples
    --------
    >>> y_true, y_score = [0, 0, 1, 1], [0.1, 0.4, 0.6, 0.8]
    >>> point = choose_threshold(y_true, y_score, ["a", "b", "c", "d"], n_resamples=0)
    >>> point.threshold, point.sensitivity, point.specificity
    (0.5, 1.0, 1.0)
    """
    kind, target = parse_rule(rule)
    inputs = make_inputs(y_true, y_score, groups)
    if not inputs.has_both_classes:
        raise DatasetError(
            f"Expected slices of both classes to choose a threshold on, got {inputs.n_positives} "
            f"with and {inputs.n_negatives} without a fracture: add slices of the missing class."
        )
    steps = _ThresholdCandidates(inputs)
    everything = np.ones((inputs.n_groups, 1))
    index = steps.best_index(everything, kind, target)
    threshold = float(steps.thresholds[index[0]])
    rates = {name: float(v[0]) for name, v in steps.rates_at(index[0], everything).items()}

    def statistic(weights: FloatArray) -> dict[str, FloatArray]:
        return {
            **steps.rates_at(index[0], weights),
            "threshold": steps.thresholds[steps.best_index(weights, kind, target)],
        }

    ci = _intervals(inputs, statistic, rates, n_resamples, seed) if n_resamples else {}
    return OperatingPoint(
        threshold=threshold,
        rule=rule,
        sensitivity=rates["sensitivity"],
        specificity=rates["specificity"],
        ci=ci,
    )


def _intervals(
    inputs: EvaluationInputs,
    statistic: Callable[[FloatArray], dict[str, FloatArray]],
    rates: dict[str, float],
    n_resamples: int,
    seed: int,
) -> dict[str, Interval]:
    """Return the intervals of both rates and of the threshold that have one."""
    if inputs.n_groups < 2:
        return {}
    replicates = bootstrap(
        statistic, inputs.n_groups, n_slices=inputs.n_slices, n_resamples=n_resamples, seed=seed
    )
    found = {"threshold": percentile_interval(replicates["threshold"])}
    for name, metric in (("sensitivity", "recall"), ("specificity", "specificity")):
        n_groups = count_contributing_groups(inputs, metric)
        found[name] = rate_interval(rates[name], replicates[name], n_groups)
    return {name: pair for name, pair in found.items() if pair}


def parse_rule(rule: str) -> tuple[str, float]:
    """Return the kind of rule and its number (0 for Youden's).

    Raises
    ------
    DatasetError
        If it is not one of `THRESHOLD_RULES`.

    Examples
    --------
    >>> parse_rule("sensitivity:0.95"), parse_rule("youden")
    (('sensitivity', 0.95), ('youden', 0.0))
    """
    kind, _, number = rule.strip().lower().partition(":")
    if kind == "youden" and not number:
        return kind, 0.0
    try:
        target = float(number)
    except ValueError:
        target = float("nan")
    if kind in ("sensitivity", "specificity") and 0.0 < target <= 1.0:
        return kind, target
    if kind == "cost" and 0.0 < target < float("inf"):
        return kind, target
    raise DatasetError(
        f"Expected a threshold rule such as {THRESHOLD_RULES}, got '{rule}': use one of these."
    )


class _ThresholdCandidates:
    """Every threshold with another result, from the highest sensitivity to the lowest."""

    def __init__(self, inputs: EvaluationInputs) -> None:
        order = np.argsort(inputs.y_score, kind="stable")
        ordered = inputs.y_score[order]
        distinct, first = np.unique(ordered, return_index=True)
        last = distinct[-1]
        top = (last + 1.0) / 2 if last < 1.0 else np.nextafter(1.0, 2.0)
        midway = distinct[:-1] / 2 + distinct[1:] / 2
        # Between two neighbouring floats there is no midpoint: the upper one then.
        midway = np.where(midway > distinct[:-1], midway, distinct[1:])
        self.thresholds = np.concatenate(([0.0], midway, [top]))  # (T,)
        self._n_below = np.concatenate((first, [inputs.n_slices]))  # slices below each threshold
        self._group_codes = inputs.group_codes[order]
        self._positive = inputs.y_true[order] == 1

    def _weights_below(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return weights of positives and of negatives below each threshold, (N + 1, R)."""
        spread = weights[self._group_codes]
        both = []
        for mask in (self._positive, ~self._positive):
            total = np.zeros((len(spread) + 1, spread.shape[1]))
            np.cumsum(spread * mask[:, None], axis=0, out=total[1:])
            both.append(total)
        return both[0], both[1]

    def rates_at(self, index: int, weights: FloatArray) -> dict[str, FloatArray]:
        """Return sensitivity and specificity at one threshold, each (R,)."""
        fn, tn = (total[[self._n_below[index], -1]] for total in self._weights_below(weights))
        return {
            "sensitivity": 1 - safe_divide(fn[0], fn[1]),
            "specificity": safe_divide(tn[0], tn[1]),
        }

    def best_index(
        self, weights: FloatArray, rule_kind: str, target: float
    ) -> npt.NDArray[np.int64]:
        """Return the index of the best threshold for each column of weights, (R,)."""
        positives_below, negatives_below = self._weights_below(weights)
        fn, tn = positives_below[self._n_below], negatives_below[self._n_below]  # (T, R)
        positives, negatives = positives_below[-1], negatives_below[-1]
        if rule_kind == "cost":
            return np.argmin(target * fn + (negatives - tn), axis=0)
        if rule_kind == "youden":
            return np.argmax(tn * positives - fn * negatives, axis=0)
        slack = 1e-9 * (positives + negatives)  # 0.9 of 10 is 9, whatever the rounding
        if rule_kind == "sensitivity":
            enough = positives - fn >= target * positives - slack
            return len(enough) - 1 - np.argmax(enough[::-1], axis=0)
        return np.argmax(tn >= target * negatives - slack, axis=0)
