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
from spinefrac.evaluation.inputs import FloatArray, IntArray, Sample, make_sample
from spinefrac.evaluation.intervals import Interval, bootstrap, rate_interval
from spinefrac.evaluation.metric_kernels import ratio, sum_by_group

if TYPE_CHECKING:
    from mapie.risk_control import BinaryClassificationController

#: The share of wrong answers outside the band that is promised where nobody says otherwise.
RATE = 0.05

#: How sure the promise is over the draw of the patients that the band was chosen on.
CONFIDENCE = 0.9

#: Fewer patients than this say nothing of how alike the slices of one are.
LEAST_GROUPS = 10


@dataclass(frozen=True, slots=True)
class Share:
    """A share of slices with its 95 % interval over groups, None where there is none."""

    value: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class ReferBand:
    """Probabilities that go to a human, and what stays outside on the slices it was chosen on.

    Attributes
    ----------
    bar : float
        A slice is answered where the calibrated probability of its answer is at least this.
    threshold : float
        At or above it the answer is a fracture.
    rate, confidence : float
        With this confidence at most this share of the answers outside the band is wrong.
    error : Share
        Wrong answers among those outside the band.
    referred : Share
        Slices inside the band.
    slices, groups : int
        Slices and groups that it was chosen on.
    worth : int
        How many independent slices those outside the band are worth.
    """

    bar: float
    threshold: float
    rate: float
    confidence: float
    error: Share
    referred: Share
    slices: int
    groups: int
    worth: int

    @property
    def low(self) -> float:
        """Up to this probability the answer is given: no fracture."""
        return min(1.0 - self.bar, self.threshold)

    @property
    def high(self) -> float:
        """From this probability the answer is given: fracture."""
        return max(self.bar, self.threshold)

    def refers(self, probability: float) -> bool:
        """Return whether a slice of this probability goes to a human."""
        return not bool(answered([probability], self.threshold, self.bar)[0])


def answered(probabilities: npt.ArrayLike, threshold: float, bar: float) -> npt.NDArray[np.bool_]:
    """Return which slices are answered, shape (N,), for a bar as in `ReferBand`."""
    return _sureness(np.asarray(probabilities, np.float64), threshold) >= bar


def choose(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    groups: npt.ArrayLike,
    threshold: float,
    *,
    rate: float = RATE,
    confidence: float = CONFIDENCE,
) -> ReferBand | None:
    """Choose the narrowest band outside of which at most `rate` of the answers is wrong.

    Parameters
    ----------
    labels, probabilities, groups : array-like, shape (N,)
        Out-of-fold answers, calibrated; see `metrics.summarize`.
    threshold : float
        At or above it the answer is a fracture.
    rate : float
        Largest share of wrong answers, above 0 and below 0.5.
    confidence : float
        Above 0.5 and below 1.

    Returns
    -------
    ReferBand or None
        None where not even the surest answers can be shown to be that good, or where there
        are fewer than `LEAST_GROUPS` groups: everything goes to a human then.

    Raises
    ------
    DatasetError
        If a share is out of range or the arrays do not fit together.
    """
    if not (0.0 < rate < 0.5 and 0.5 < confidence < 1.0):
        raise DatasetError(
            f"Expected a rate between 0 and 0.5 and a confidence between 0.5 and 1, got {rate:g} "
            f"and {confidence:g}: a usual choice is {RATE:g} and {CONFIDENCE:g}."
        )
    sample = make_sample(labels, probabilities, groups)
    if sample.groups < LEAST_GROUPS:
        return None
    sure = _sureness(sample.probabilities, threshold)
    right = (sample.probabilities >= threshold) == (sample.labels == 1)
    bar = _lowest_bar(sure, right, sample, threshold, rate, confidence)
    if bar is None:
        return None
    outside = sure >= bar
    return ReferBand(
        bar=bar,
        threshold=threshold,
        rate=rate,
        confidence=confidence,
        error=error_among(sample, outside, ~right),
        referred=_share(sample, ~outside, np.ones(sample.n, bool)),
        slices=sample.n,
        groups=sample.groups,
        worth=worth(~right[outside], sample.codes[outside]),
    )


def error_among(
    sample: Sample, outside: npt.NDArray[np.bool_], wrong: npt.NDArray[np.bool_]
) -> Share:
    """Return the share of `outside` slices that are `wrong`, both of shape (N,)."""
    return _share(sample, wrong & outside, outside)


def design_effect(wrong: npt.NDArray[np.bool_], codes: IntArray) -> float:
    """Return by how much alike slices of a patient widen the variance of an error rate.

    Parameters
    ----------
    wrong : bool array, shape (N,)
    codes : int64 array, shape (N,)
        Group of each.

    Returns
    -------
    float
        Variance over groups by that of as many independent slices, at least 1.
    """
    n, error = len(wrong), float(wrong.mean())
    if error in (0.0, 1.0):
        return 1.0
    sums = np.bincount(codes, wrong - error)
    sums = sums[np.unique(codes)]
    if len(sums) < 2:
        return float(n)
    variance = len(sums) / (len(sums) - 1) * float((sums**2).sum()) / n**2
    return max(1.0, variance / (error * (1.0 - error) / n))


def worth(wrong: npt.NDArray[np.bool_], codes: IntArray) -> int:
    """Return how many independent slices these are worth; parameters as in `design_effect`."""
    return int(len(wrong) / design_effect(wrong, codes)) if len(wrong) else 0


def _sureness(probabilities: FloatArray, threshold: float) -> FloatArray:
    """Return the calibrated probability that each answer is right, shape (N,)."""
    return np.where(probabilities >= threshold, probabilities, 1.0 - probabilities)


def _lowest_bar(
    sure: FloatArray,
    right: npt.NDArray[np.bool_],
    sample: Sample,
    threshold: float,
    rate: float,
    confidence: float,
) -> float | None:
    """Lower the bar by hundredths until the test fails; None if it never holds.

    In MAPIE's terms a classifier says of each answer whether it is right, with probability
    `sure`; its precision is the share of right answers among those given.
    """
    bars = _bars(sure, threshold, rate, confidence)
    controller = _controller(bars, sample.codes, 1.0 - rate, confidence)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that no bar holds is an answer here
        controller.calibrate(sure, right.astype(np.int64))
    valid = np.asarray(controller.valid_predict_params, np.float64)
    return float(valid.min()) if len(valid) else None


def _bars(sure: FloatArray, threshold: float, rate: float, confidence: float) -> FloatArray:
    """Return the bars in the order of the test, falling; labels have no say in them.

    The first is 1 - `rate`, or lower where too few slices reach that to show anything: even
    without an error a test takes log(1 - confidence) / log(1 - rate) independent slices.
    """
    enough = 3.0 * np.log(1.0 - confidence) / np.log(1.0 - rate)
    reached = float(np.sort(sure)[-int(min(enough, len(sure) / 2 + 1))])
    first = int(100 * min(1.0 - rate, reached) + 1e-9)
    last = int(100 * min(threshold, 1.0 - threshold))
    return np.arange(first, min(last, first - 1) - 1, -1) / 100.0


def _controller(
    bars: FloatArray, codes: IntArray, precision: float, confidence: float
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
            return float(wrong.mean()), worth(wrong, codes[given])

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
        confidence_level=confidence,
        best_predict_param_choice=recall,  # of the right answers, give as many as can be
        list_predict_params=bars,
        fwer_method=InOrder(),
    )


def _share(sample: Sample, part: npt.NDArray[np.bool_], whole: npt.NDArray[np.bool_]) -> Share:
    """Return the share of `whole` that is `part`, with its interval over groups."""
    totals = sum_by_group(sample, (part.astype(float), whole.astype(float)))  # (2, G)
    inside, all_ = totals.sum(axis=1)
    if not all_:
        return Share(float("nan"), None)

    def statistic(weights: FloatArray) -> dict[str, FloatArray]:
        top, bottom = totals @ weights
        return {"share": ratio(top, bottom)}

    drawn = bootstrap(statistic, sample.groups, rows=sample.n)["share"]
    bearing = int((totals[1] > 0).sum())
    return Share(float(inside / all_), rate_interval(float(inside / all_), drawn, bearing))
