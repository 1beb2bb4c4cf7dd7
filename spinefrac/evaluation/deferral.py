"""The abstention band: probabilities at which a prediction needs review by a reader.

A prediction is accepted where its confidence, the calibrated probability that it is correct,
reaches a threshold, and marked for review below it (Chow, 1970). Learn-then-test (Angelopoulos
et al., 2021), from MAPIE, lowers that threshold for as long as a test on out-of-fold predictions
shows that at most the acceptable share of the accepted ones is wrong. Slices of one patient are
not independent, so the test uses the effective sample size (Korn and Graubard, 1998).
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
    from mapie.risk_control import BinaryRisk

#: Largest share of wrong predictions outside the band, where none is stated.
DEFAULT_ACCEPTABLE_ERROR_RATE = 0.05

#: Confidence of that guarantee, over the draw of the patients that the band was chosen on.
DEFAULT_CONFIDENCE_LEVEL = 0.9

#: Fewer groups than this do not allow an estimate of the correlation within a group.
MIN_GROUPS = 10


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share of slices with its 95 % interval over groups, None where there is none."""

    value: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class AbstentionBand:
    """Probabilities that need review, and the error rate outside on the slices it was chosen on.

    Attributes
    ----------
    confidence_threshold : float
        A prediction is accepted where its confidence is at least this.
    threshold : float
        At or above it the predicted class is fracture.
    acceptable_error_rate, confidence_level : float
        With this confidence at most this share of the predictions outside the band is wrong.
    error_rate : Proportion
        Wrong predictions among those outside the band.
    abstention_rate : Proportion
        Slices inside the band.
    n_slices, n_groups : int
        Slices and groups that it was chosen on.
    effective_sample_size : int
        Number of independent slices that give the same variance as those outside the band.
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
        """Up to this probability "no fracture" is accepted."""
        return min(1.0 - self.confidence_threshold, self.threshold)

    @property
    def high(self) -> float:
        """From this probability "fracture" is accepted."""
        return max(self.confidence_threshold, self.threshold)

    def needs_review(self, probability: float) -> bool:
        """Return whether a prediction of this probability needs review by a reader."""
        return not bool(
            outside_band_mask([probability], self.threshold, self.confidence_threshold)[0]
        )


def outside_band_mask(
    y_score: npt.ArrayLike, threshold: float, confidence_threshold: float
) -> npt.NDArray[np.bool_]:
    """Return which predictions are accepted, shape (N,).

    Parameters
    ----------
    y_score : array-like, shape (N,)
        Calibrated probabilities.
    threshold, confidence_threshold : float
        As in `AbstentionBand`.
    """
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
    """Choose the narrowest band with at most the acceptable error rate outside of it.

    Parameters
    ----------
    y_true, y_score, groups : array-like, shape (N,)
        Out-of-fold predictions, calibrated; see `metrics.compute_metrics`.
    threshold : float
        At or above it the predicted class is fracture.
    acceptable_error_rate : float
        Largest share of wrong predictions, above 0 and below 0.5.
    confidence_level : float
        Above 0.5 and below 1.

    Returns
    -------
    AbstentionBand or None
        None where the error rate of not even the most confident predictions can be shown to be
        acceptable, or with fewer than `MIN_GROUPS` groups: every prediction needs review then.

    Raises
    ------
    DatasetError
        If a share is out of range or the arrays do not fit together.
    """
    if not (0.0 < acceptable_error_rate < 0.5 and 0.5 < confidence_level < 1.0):
        raise DatasetError(
            f"Expected an acceptable error rate between 0 and 0.5 and a confidence level between "
            f"0.5 and 1, got {acceptable_error_rate:g} and {confidence_level:g}: a usual choice is "
            f"{DEFAULT_ACCEPTABLE_ERROR_RATE:g} and {DEFAULT_CONFIDENCE_LEVEL:g}."
        )
    inputs = make_inputs(y_true, y_score, groups)
    if inputs.n_groups < MIN_GROUPS:
        return None
    confidence = _confidence(inputs.y_score, threshold)
    correct = (inputs.y_score >= threshold) == (inputs.y_true == 1)
    candidates = _candidate_thresholds(
        confidence, threshold, acceptable_error_rate, confidence_level
    )
    lowest = _lowest_valid_threshold(
        candidates, confidence, correct, inputs, acceptable_error_rate, confidence_level
    )
    if lowest is None:
        return None
    outside = confidence >= lowest
    return AbstentionBand(
        confidence_threshold=lowest,
        threshold=threshold,
        acceptable_error_rate=acceptable_error_rate,
        confidence_level=confidence_level,
        error_rate=error_rate_among(inputs, outside, ~correct),
        abstention_rate=_proportion(inputs, ~outside, np.ones(inputs.n_slices, bool)),
        n_slices=inputs.n_slices,
        n_groups=inputs.n_groups,
        effective_sample_size=effective_sample_size(~correct[outside], inputs.group_codes[outside]),
    )


def error_rate_among(
    inputs: EvaluationInputs, selected: npt.NDArray[np.bool_], wrong: npt.NDArray[np.bool_]
) -> Proportion:
    """Return the share of `selected` slices that are `wrong`, both of shape (N,)."""
    return _proportion(inputs, wrong & selected, selected)


def design_effect(is_error: npt.NDArray[np.bool_], group_codes: IntArray) -> float:
    """Return the design effect of an error rate: the effect of correlation within groups.

    Parameters
    ----------
    is_error : bool array, shape (N,)
    group_codes : int64 array, shape (N,)
        Group of each.

    Returns
    -------
    float
        Variance over groups divided by that of as many independent slices, at least 1.
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
    """Return the number of slices divided by their design effect; see `design_effect`."""
    return int(len(is_error) / design_effect(is_error, group_codes)) if len(is_error) else 0


def _confidence(y_score: FloatArray, threshold: float) -> FloatArray:
    """Return the calibrated probability that each prediction is correct, shape (N,)."""
    return np.where(y_score >= threshold, y_score, 1.0 - y_score)


def _candidate_thresholds(
    confidence: FloatArray, threshold: float, acceptable_error_rate: float, confidence_level: float
) -> FloatArray:
    """Return the confidence thresholds in the order of the test, falling by hundredths.

    Labels have no part in them. The first is 1 - `acceptable_error_rate`, or lower where too few
    slices reach that: even without an error a test needs
    log(1 - confidence_level) / log(1 - acceptable_error_rate) independent slices.
    """
    enough = 3.0 * np.log(1.0 - confidence_level) / np.log(1.0 - acceptable_error_rate)
    reached = float(np.sort(confidence)[-int(min(enough, len(confidence) / 2 + 1))])
    first = int(100 * min(1.0 - acceptable_error_rate, reached) + 1e-9)
    last = int(100 * min(threshold, 1.0 - threshold))
    return np.arange(first, min(last, first - 1) - 1, -1) / 100.0


def _lowest_valid_threshold(
    candidates: FloatArray,
    confidence: FloatArray,
    is_correct: npt.NDArray[np.bool_],
    inputs: EvaluationInputs,
    acceptable_error_rate: float,
    confidence_level: float,
) -> float | None:
    """Test `candidates` in their order until one fails; None if already the first does.

    For MAPIE, confidence is the probability of the class "this prediction is correct"; the
    precision of that class is the share of correct predictions among the accepted ones.
    """
    from mapie.risk_control import BinaryClassificationController, control_fwer, recall

    controller = BinaryClassificationController(
        predict_function=lambda values: np.stack([1.0 - values, values], axis=1),
        risk=_build_risk(inputs.group_codes),
        target_level=1.0 - acceptable_error_rate,
        confidence_level=confidence_level,
        best_predict_param_choice=recall,
        list_predict_params=candidates,
    )
    with warnings.catch_warnings():
        # Of candidates that fail by its own correction; only the p-values are used.
        warnings.simplefilter("ignore")
        controller.calibrate(confidence, is_correct.astype(np.int64))
    # Not the controller's `fwer_method`: that takes the order from the data where the error rate
    # is not monotonic, and the order here is fixed before.
    p_values = np.asarray(controller.p_values, np.float64)[:, 0]
    valid = control_fwer(p_values, 1.0 - confidence_level, fwer_method="fixed_sequence")
    return float(candidates[valid].min()) if len(valid) else None


def _build_risk(group_codes: IntArray) -> BinaryRisk:
    """Return MAPIE's precision with the effective sample size of slices in groups.

    MAPIE is imported late, as that takes a second.
    """
    from mapie.risk_control import BinaryRisk

    class GroupedPrecision(BinaryRisk):
        """Precision whose sample size is that of independent slices."""

        def get_value_and_effective_sample_size(
            self, y_true: npt.NDArray[Any], y_pred: npt.NDArray[Any]
        ) -> tuple[float, float]:
            accepted = y_pred == 1
            if not accepted.any():
                return 1.0, -1  # MAPIE's code for a risk that is not defined
            wrong = y_true[accepted] != 1
            return float(wrong.mean()), effective_sample_size(wrong, group_codes[accepted])

    return GroupedPrecision(
        risk_occurrence=lambda y_true, y_pred: y_pred == y_true,
        risk_condition=lambda y_true, y_pred: y_pred == 1,
        higher_is_better=True,
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
