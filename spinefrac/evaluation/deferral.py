"""The abstention band: probabilities at which a prediction needs review by a reader.

A prediction is accepted where its confidence, the calibrated probability that it is correct,
reaches a threshold, and marked for review below it (Chow, 1970). Learn-then-test (Angelopoulos
et al., 2021) lowers that threshold for as long as a test on out-of-fold predictions shows that at
most the acceptable share of the accepted ones is wrong; the sequence of tests is that of MAPIE.

Slices of one patient are not independent, and where few patients were seen, no data tell how far
they are from it: the errors may be those of single patients who are wrong as a whole. So the test
is over patients and holds for any correlation within them: a patient's slices are one observation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac.errors import DatasetError
from spinefrac.evaluation.group_error_test import (
    count_groups_needed,
    effective_groups,
    error_rate_p_values,
    min_groups,
)
from spinefrac.evaluation.inputs import EvaluationInputs, FloatArray, make_inputs
from spinefrac.evaluation.intervals import Interval, bootstrap, rate_interval
from spinefrac.evaluation.metric_kernels import safe_divide, sum_by_group

#: Largest share of wrong predictions outside the band, where none is stated.
DEFAULT_ACCEPTABLE_ERROR_RATE = 0.05

#: Confidence of that guarantee, over the draw of the patients that the band was chosen on.
DEFAULT_CONFIDENCE_LEVEL = 0.9


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
    effective_sample_size : float
        Groups of equal size that count as much as those outside the band, at most their number.
    """

    confidence_threshold: float
    threshold: float
    acceptable_error_rate: float
    confidence_level: float
    error_rate: Proportion
    abstention_rate: Proportion
    n_slices: int
    n_groups: int
    effective_sample_size: float

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
        acceptable, as with fewer groups than
        `group_error_test.min_groups`: every prediction needs review then.
        `count_groups_for_band` tells how many would be needed.

    Raises
    ------
    DatasetError
        If a share is out of range or the arrays do not fit together.
    """
    inputs = make_inputs(y_true, y_score, groups)
    totals = _count_outside(inputs, threshold, acceptable_error_rate, confidence_level)
    lowest = _lowest_valid_threshold(totals, acceptable_error_rate, confidence_level)
    if lowest is None:
        return None
    confidence = _confidence(inputs.y_score, threshold)
    correct = (inputs.y_score >= threshold) == (inputs.y_true == 1)
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
        effective_sample_size=effective_groups(np.bincount(inputs.group_codes[outside])),
    )


def error_rate_among(
    inputs: EvaluationInputs, selected: npt.NDArray[np.bool_], wrong: npt.NDArray[np.bool_]
) -> Proportion:
    """Return the share of `selected` slices that are `wrong`, both of shape (N,)."""
    return _proportion(inputs, wrong & selected, selected)


def count_groups_for_band(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    groups: npt.ArrayLike,
    threshold: float,
    *,
    acceptable_error_rate: float = DEFAULT_ACCEPTABLE_ERROR_RATE,
    confidence_level: float = DEFAULT_CONFIDENCE_LEVEL,
) -> int | None:
    """Return about how many groups like these are needed for a band, where there is none.

    Parameters and errors as in `choose_abstention_band`. The most confident predictions decide.

    Returns
    -------
    int or None
        At least `group_error_test.min_groups`; more where groups are uneven or some predictions
        are wrong. None where too many are wrong for any number of groups.
    """
    inputs = make_inputs(y_true, y_score, groups)
    totals = _count_outside(inputs, threshold, acceptable_error_rate, confidence_level)
    return count_groups_needed(
        totals.errors[:, 0], totals.slices[:, 0], acceptable_error_rate, confidence_level
    )


def describe_guarantee(
    band: AbstentionBand | None,
    n_groups: int,
    groups_needed: int | None,
    acceptable_error_rate: float = DEFAULT_ACCEPTABLE_ERROR_RATE,
) -> str:
    """Return what holds outside the band and on which condition, or why there is no band.

    Parameters
    ----------
    band : AbstentionBand or None
    n_groups : int
        Groups that it was to be chosen on.
    groups_needed : int or None
        From `count_groups_for_band`; of no importance where there is a band.
    acceptable_error_rate : float
    """
    rate = f"{100 * acceptable_error_rate:g} %"
    level = DEFAULT_CONFIDENCE_LEVEL if band is None else band.confidence_level
    if band is not None:
        return (
            f"With {100 * level:g} % confidence, at most {rate} of the predictions outside the "
            "band are wrong, however the errors gather in single patients. This holds for slices "
            f"of new patients who are like the {n_groups:,} patients the band was chosen on, with "
            "the same scanners and the same prevalence. It is a share over many patients and does "
            "not hold for a single patient. For a slice that the input check finds unusual the "
            "band is as wide as it can be: it needs review whatever its probability."
        )
    if groups_needed is None:
        reason = (
            f"Too many out-of-fold predictions on the {n_groups:,} patients are wrong, even of "
            f"those with the highest confidence, for an error rate of at most {rate}; more "
            "patients alone would not change that"
        )
    else:
        least = min_groups(acceptable_error_rate, level)
        reason = (
            f"{n_groups:,} patients are too few to show an error rate of at most {rate} with "
            f"{100 * level:g} % confidence: about {groups_needed:,} patients like these are "
            f"needed, and {least:,} even if no prediction is wrong"
        )
    return f"{reason}. So there is no abstention band, and every slice needs review by a reader."


@dataclass(frozen=True, slots=True)
class _OutsideTotals:
    """Slices outside the band by group, for T falling confidence thresholds of the test.

    Attributes
    ----------
    thresholds : float64 array, shape (T,)
    slices, errors : float64 arrays, shape (G, T)
        Accepted slices of each group, and the wrong ones of them.
    """

    thresholds: FloatArray
    slices: FloatArray
    errors: FloatArray


def _count_outside(
    inputs: EvaluationInputs,
    threshold: float,
    acceptable_error_rate: float,
    confidence_level: float,
) -> _OutsideTotals:
    if not (0.0 < acceptable_error_rate < 0.5 and 0.5 < confidence_level < 1.0):
        raise DatasetError(
            f"Expected an acceptable error rate between 0 and 0.5 and a confidence level between "
            f"0.5 and 1, got {acceptable_error_rate:g} and {confidence_level:g}: a usual choice is "
            f"{DEFAULT_ACCEPTABLE_ERROR_RATE:g} and {DEFAULT_CONFIDENCE_LEVEL:g}."
        )
    confidence = _confidence(inputs.y_score, threshold)
    wrong = (inputs.y_score >= threshold) != (inputs.y_true == 1)
    candidates = _candidate_thresholds(
        confidence, threshold, acceptable_error_rate, confidence_level
    )
    accepted = confidence >= candidates[:, None]  # (T, N)
    return _OutsideTotals(
        candidates,
        sum_by_group(inputs, accepted).T,
        sum_by_group(inputs, accepted & wrong).T,
    )


def _confidence(y_score: FloatArray, threshold: float) -> FloatArray:
    """Return the calibrated probability that each prediction is correct, shape (N,)."""
    return np.where(y_score >= threshold, y_score, 1.0 - y_score)


def _candidate_thresholds(
    confidence: FloatArray, threshold: float, acceptable_error_rate: float, confidence_level: float
) -> FloatArray:
    """Return the confidence thresholds in the order of the test, falling by hundredths.

    Labels have no part in them. The first is 1 - `acceptable_error_rate`, or lower where fewer
    slices reach that than three times the groups that a test needs at least.
    """
    enough = 3.0 * np.log(1.0 - confidence_level) / np.log(1.0 - acceptable_error_rate)
    reached = float(np.sort(confidence)[-int(min(enough, len(confidence) / 2 + 1))])
    first = int(100 * min(1.0 - acceptable_error_rate, reached) + 1e-9)
    last = int(100 * min(threshold, 1.0 - threshold))
    return np.arange(first, min(last, first - 1) - 1, -1) / 100.0


def _lowest_valid_threshold(
    totals: _OutsideTotals, acceptable_error_rate: float, confidence_level: float
) -> float | None:
    """Test the candidates in their order until one fails; None if already the first does.

    MAPIE is imported late, as that takes a second.
    """
    from mapie.risk_control import control_fwer

    # The order is fixed before the data are seen, as the procedure demands.
    p_values = error_rate_p_values(totals.errors, totals.slices, acceptable_error_rate)
    valid = control_fwer(p_values, 1.0 - confidence_level, fwer_method="fixed_sequence")
    return float(totals.thresholds[valid].min()) if len(valid) else None


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
