"""When to leave a slice to a human: a band of probabilities, chosen so that the rest is right.

A slice is answered where the calibrated probability of its answer being right reaches a bar,
and referred below it (Chow, 1970). Learn-then-test (Angelopoulos et al., 2021), from MAPIE,
lowers the bar as long as a test on out-of-fold answers shows that at most the stated share of
the slices still answered is wrong. Slices of one patient are not independent, so the test
counts as many of them as would be worth the same if they were (Korn and Graubard, 1998).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinefrac.errors import DatasetError
from spinefrac.evaluation.inputs import EvaluationInputs, FloatArray, IntArray, make_inputs
from spinefrac.evaluation.intervals import Interval, bootstrap, rate_interval
from spinefrac.evaluation.metric_kernels import safe_divide, sum_by_group

if TYPE_CHECKING:
    from mapie.risk_control import BinaryClassificationController

#: The share of wrong answers outside the band that is promised where nobody says otherwise.
DEFAULT_ACCEPTABLE_ERROR_RATE = 0.05

#: How sure the promise is over the draw of the patients that the band was chosen on.
DEFAULT_CONFIDENCE_LEVEL = 0.9

#: Fewer patients than this say nothing of how alike the slices of one are.
MIN_GROUPS = 10


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share of slices with its 95 % interval over groups, None where there is none."""

    value: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class AbstentionBand:
    """Probabilities that go to a human, and what stays outside on the slices it was chosen on.

    Attributes
    ----------
    confidence_threshold : float
        A slice is answered where the calibrated probability of its answer is at least this.
    threshold : float
        At or above it the answer is a fracture.
    acceptable_error_rate, confidence_level : float
        With this confidence at most this share of the answers outside the band is wrong.
    error_rate : Share
        Wrong answers among those outside the band.
    abstention_rate : Share
        Slices inside the band.
    n_slices, n_groups : int
        Slices and groups that it was chosen on.
    effective_sample_size : int
        How many independent slices those outside the band are worth.
    """

    confidence_threshold: float
    threshold: float
    acceptable_error_rate: float
    confidence_level: float
    error_rate: Proportion
    abstention_rate: Proportion
    n_slices: int
    n_groups: int
    effective_sample_size: int

    @property
    def low(self) -> float:
        """Up to this probability the answer is given: no fracture."""
        return min(1.0 - self.confidence_threshold, self.threshold)

    @property
    def high(self) -> float:
        """From this probability the answer is given: fracture."""
        return max(self.confidence_threshold, self.threshold)

    def needs_review(self, probability: float) -> bool:
        """Return whether a slice of this probability goes to a human."""
        return not bool(
            outside_band_mask([probability], self.threshold, self.confidence_threshold)[0]
        )


def outside_band_mask(
    y_score: npt.ArrayLike, threshold: float, confidence_threshold: float
) -> npt.NDArray[np.bool_]:
    """Return which slices are answered, shape (N,), for a bar as in `AbstentionBand`."""
    return _confidence(np.asarray(y_score, np.float64), threshold) >= confidence_threshold


def choose_abstention_band(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    groups: npt.ArrayLike,
    threshold: float,
    *,
    acceptable_error_rate: float = DEFAULT_ACCEPTABLE_ERROR_RATE,
    confidence_level: float = DEFAULT_CONFIDENCE_LEVEL,
) -> AbstentionBand | None:
    """Choose the narrowest band outside of which at most `acceptable_error_rate` of the answers is wrong.

    Parameters
    ----------
    y_true, y_score, groups : array-like, shape (N,)
        Out-of-fold answers, calibrated; see `metrics.compute_metrics`.
    threshold : float
        At or above it the answer is a fracture.
    acceptable_error_rate : float
        Largest share of wrong answers, above 0 and below 0.5.
    confidence_level : float
        Above 0.5 and below 1.

    Returns
    -------
    ReferBand or None
        None where not even the surest answers can be shown to be that good, or where there
        are fewer than `MIN_GROUPS` groups: everything goes to a human then.

    Raises
    ------
    DatasetError
        If a share is out of range or the arrays do not fit together.
    """
    if not (0.0 < acceptable_error_rate < 0.5 and 0.5 < confidence_level < 1.0):
        raise DatasetError(
            f"Expected a rate between 0 and 0.5 and a confidence between 0.5 and 1, got {acceptable_error_rate:g} "
            f"and {confidence_level:g}: a usual choice is {DEFAULT_ACCEPTABLE_ERROR_RATE:g} and {DEFAULT_CONFIDENCE_LEVEL:g}."
        )
    sample = make_inputs(y_true, y_score, groups)
    if sample.n_groups < MIN_GROUPS:
        return None
    sure = _confidence(sample.y_score, threshold)
    right = (sample.y_score >= threshold) == (sample.y_true == 1)
    bar = _lowest_confidence_threshold(
        sure, right, sample, threshold, acceptable_error_rate, confidence_level
    )
    if bar is None:
        return None
    outside = sure >= bar
    return AbstentionBand(
        confidence_threshold=bar,
        threshold=threshold,
        acceptable_error_rate=acceptable_error_rate,
        confidence_level=confidence_level,
        error_rate=error_rate_among(sample, outside, ~right),
        abstention_rate=_proportion(sample, ~outside, np.ones(sample.n_slices, bool)),
        n_slices=sample.n_slices,
        n_groups=sample.n_groups,
        effective_sample_size=effective_sample_size(~right[outside], sample.group_codes[outside]),
    )


def error_rate_among(
    inputs: EvaluationInputs, selected: npt.NDArray[np.bool_], wrong: npt.NDArray[np.bool_]
) -> Proportion:
    """Return the share of `selected` slices that are `wrong`, both of shape (N,)."""
    return _proportion(inputs, wrong & selected, selected)


def design_effect(is_error: npt.NDArray[np.bool_], group_codes: IntArray) -> float:
    """Return by how much alike slices of a patient widen the variance of an error rate.

    Parameters
    ----------
    is_error : bool array, shape (N,)
    group_codes : int64 array, shape (N,)
        Group of each.

    Returns
    -------
    float
        Variance over groups by that of as many independent slices, at least 1.
    """
    n, error = len(is_error), float(is_error.mean())
    if error in (0.0, 1.0):
        return 1.0
    sums = np.bincount(group_codes, is_error - error)
    sums = sums[np.unique(group_codes)]
    if len(sums) < 2:
        return float(n)
    variance = len(sums) / (len(sums) - 1) * float((sums**2).sum()) / n**2
    return max(1.0, variance / (error * (1.0 - error) / n))


def effective_sample_size(is_error: npt.NDArray[np.bool_], group_codes: IntArray) -> int:
    """Return how many independent slices these are worth; parameters as in `design_effect`."""
    return int(len(is_error) / design_effect(is_error, group_codes)) if len(is_error) else 0


def _confidence(y_score: FloatArray, threshold: float) -> FloatArray:
    """Return the calibrated probability that each answer is right, shape (N,)."""
    return np.where(y_score >= threshold, y_score, 1.0 - y_score)


def _lowest_confidence_threshold(
    confidence: FloatArray,
    is_correct: npt.NDArray[np.bool_],
    inputs: EvaluationInputs,
    threshold: float,
    acceptable_error_rate: float,
    confidence_level: float,
) -> float | None:
    """Lower the bar by hundredths until the test fails; None if it never holds.

    In MAPIE's terms a classifier says of each answer whether it is right, with probability
    `confidence`; its precision is the share of right answers among those given.
    """
    bars = _candidate_thresholds(confidence, threshold, acceptable_error_rate, confidence_level)
    controller = _build_controller(
        bars, inputs.group_codes, 1.0 - acceptable_error_rate, confidence_level
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that no bar holds is an answer here
        controller.calibrate(confidence, is_correct.astype(np.int64))
    valid = np.asarray(controller.valid_predict_params, np.float64)
    return float(valid.min()) if len(valid) else None


def _candidate_thresholds(
    confidence: FloatArray, threshold: float, acceptable_error_rate: float, confidence_level: float
) -> FloatArray:
    """Return the bars in the order of the test, falling; labels have no say in them.

    The first is 1 - `acceptable_error_rate`, or lower where too few slices reach that to show anything: even
    without an error a test takes log(1 - confidence) / log(1 - rate) independent slices.
    """
    enough = 3.0 * np.log(1.0 - confidence_level) / np.log(1.0 - acceptable_error_rate)
    reached = float(np.sort(confidence)[-int(min(enough, len(confidence) / 2 + 1))])
    first = int(100 * min(1.0 - acceptable_error_rate, reached) + 1e-9)
    last = int(100 * min(threshold, 1.0 - threshold))
    return np.arange(first, min(last, first - 1) - 1, -1) / 100.0


def _build_controller(
    candidate_thresholds: FloatArray,
    group_codes: IntArray,
    precision: float,
    confidence_level: float,
) -> BinaryClassificationController:
    """Return MAPIE's controller for slices of groups; imported late, as it takes a second."""
    from mapie.risk_control import (
        BinaryClassificationController,
        BinaryRisk,
        FWERProcedure,
        recall,
    )

    class GroupedPrecision(BinaryRisk):
        """Precision whose sample size is that of independent slices."""

        def get_value_and_effective_sample_size(
            self, y_true: npt.NDArray[Any], y_pred: npt.NDArray[Any]
        ) -> tuple[float, float]:
            given = y_pred == 1
            if not given.any():
                return 1.0, -1  # MAPIE's sign for: cannot be shown
            wrong = y_true[given] != 1
            return float(wrong.mean()), effective_sample_size(wrong, group_codes[given])

    class InOrder(FWERProcedure):
        """Test one bar after the other, each at the full level, and stop at the first failure."""

        def _init_state(self, n_lambdas: int, delta: float) -> None:
            self._next, self._count, self._delta = 0, n_lambdas, delta

        def _select_next_hypothesis(self, p_values: FloatArray) -> int | None:
            return self._next if self._next < self._count else None

        def _local_significance_levels(self) -> FloatArray:
            return np.full(self._count, self._delta)

        def _update_on_reject(self, hypothesis_index: int) -> None:
            self._next += 1

    risk = GroupedPrecision(
        risk_occurrence=lambda y_true, y_pred: y_pred == y_true,
        risk_condition=lambda y_true, y_pred: y_pred == 1,
        higher_is_better=True,
    )

    return BinaryClassificationController(
        predict_function=lambda sure: np.stack([1.0 - sure, sure], axis=1),
        risk=risk,
        target_level=precision,
        confidence_level=confidence_level,
        best_predict_param_choice=recall,  # of the right answers, give as many as can be
        list_predict_params=candidate_thresholds,
        fwer_method=InOrder(),
    )


def _proportion(
    inputs: EvaluationInputs, numerator: npt.NDArray[np.bool_], denominator: npt.NDArray[np.bool_]
) -> Proportion:
    """Return the share of `denominator` that is `numerator`, with its interval over groups."""
    totals = sum_by_group(inputs, (numerator.astype(float), denominator.astype(float)))  # (2, G)
    inside, all_ = totals.sum(axis=1)
    if not all_:
        return Proportion(float("nan"), None)

    def statistic(weights: FloatArray) -> dict[str, FloatArray]:
        top, bottom = totals @ weights
        return {"share": safe_divide(top, bottom)}

    drawn = bootstrap(statistic, inputs.n_groups, n_slices=inputs.n_slices)["share"]
    bearing = int((totals[1] > 0).sum())
    return Proportion(float(inside / all_), rate_interval(float(inside / all_), drawn, bearing))
