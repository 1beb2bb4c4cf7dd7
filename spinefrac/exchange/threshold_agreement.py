"""Whether a file of a network agrees with the saved model at the threshold, on both sides of it.

Slices far from the threshold keep their class whatever a conversion does, and with a threshold
next to 0 or 1 all slices lie on one side. So inputs are made that lie next to it, the slices on
each side are counted, and logits are compared there: next to 1, a small difference of a
probability is a large one of the logit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac.evaluation.calibration import sigmoid
from spinefrac.records import GreyImage

#: Returns the mean logit (N,) of inputs (N, S, S).
LogitFunction = Callable[[GreyImage], npt.NDArray[np.float64]]

#: Within so much of the threshold, in logits, a slice counts as near it.
NEAR_LOGIT = 1.0
#: Largest accepted difference of a logit near the threshold, beside the rounding of a probability.
LOGIT_TOLERANCE = 2e-3

#: Pairs of an input below and one above the threshold that are blended, and steps of halving.
_PAIRS = 4
_STEPS = 10
_FLOAT32_STEP = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, slots=True)
class ThresholdAgreement:
    """Predicted classes of a file against those of the saved model, on N inputs.

    Attributes
    ----------
    above, below : int
        Inputs at or above the threshold, and below it, by the saved model.
    changed_above, changed_below : int
        Those of them with another predicted class by the file.
    near : int
        Inputs within `NEAR_LOGIT` of the threshold.
    near_difference : float or None
        Largest difference of a logit among them; None where there are none.
    beyond_tolerance : int
        Inputs near the threshold whose logit, or predicted class, differs by more than rounding.
    """

    above: int
    below: int
    changed_above: int
    changed_below: int
    near: int
    near_difference: float | None
    beyond_tolerance: int

    @property
    def is_one_sided(self) -> bool:
        """Whether no input lies on one of the sides, so that nothing is known of it."""
        return not (self.above and self.below)

    @property
    def changed(self) -> int:
        """Inputs with another predicted class by the file, on both sides."""
        return self.changed_above + self.changed_below

    def summarize(self) -> str:
        """Return the numbers in a few words, for a cell of a table."""
        return f"{self.above} above, {self.below} below, {self.changed} changed"

    def describe(self) -> str:
        """Return sentences on the slices of each side and on those whose class changes."""
        near = ""
        if self.near_difference is not None:
            near = (
                f" Logits of the {self.near} near it differ by {self.near_difference:.2g} at most."
            )
        if self.is_one_sided:
            side = "below" if self.below else "at or above"
            return (
                f"All {self.above + self.below} slices are {side} the threshold, and "
                f"{self.changed} of them change their predicted class; agreement on the other "
                f"side is not known.{near}"
            )
        return (
            f"Of {self.above} slices at or above the threshold {self.changed_above} change their "
            f"predicted class, of {self.below} below it {self.changed_below}.{near}"
        )


def to_logit(probability: float) -> float:
    """Return the logit of a probability; infinite for 0 and 1."""
    with np.errstate(divide="ignore"):
        return float(np.log(probability) - np.log1p(-np.float64(probability)))


def make_inputs_near_threshold(
    run_logits: LogitFunction, inputs: GreyImage, threshold_logit: float
) -> GreyImage:
    """Return inputs next to the threshold, on both sides, by blending others.

    A network is continuous: between an input below the threshold and one above it lies one at
    the threshold, which is found by halving.

    Parameters
    ----------
    run_logits : callable
    inputs : uint8 array, shape (N, S, S)
    threshold_logit : float

    Returns
    -------
    uint8 array, shape (M, S, S)
        Empty where no input, nor a simple change of one, lies on the other side.
    """
    candidates = _vary(inputs)
    logits = run_logits(candidates)
    below = np.flatnonzero(logits < threshold_logit)
    above = np.flatnonzero(logits >= threshold_logit)
    if not (below.size and above.size):
        return inputs[:0]
    nearest = np.argsort(np.abs(logits - threshold_logit), kind="stable")
    lows = [row for row in nearest if logits[row] < threshold_logit][:_PAIRS]
    highs = [row for row in nearest if logits[row] >= threshold_logit][:_PAIRS]
    pairs = max(len(lows), len(highs))
    low = candidates[np.resize(lows, pairs)]
    high = candidates[np.resize(highs, pairs)]
    share_low, share_high = np.zeros((pairs, 1, 1)), np.ones((pairs, 1, 1))
    for _ in range(_STEPS):
        share = (share_low + share_high) / 2
        is_below = (run_logits(_blend(low, high, share)) < threshold_logit)[:, None, None]
        share_low, share_high = (
            np.where(is_below, share, share_low),
            np.where(is_below, share_high, share),
        )
    return np.concatenate([_blend(low, high, share_low), _blend(low, high, share_high)])


def _vary(inputs: GreyImage) -> GreyImage:
    """Return the inputs and, for networks that put all of them on one side, changes of them."""
    wide = inputs.astype(np.float64)
    extremes = np.stack([np.full(inputs.shape[1:], grey) for grey in (0.0, 128.0, 255.0)])
    noise = np.random.default_rng(0).uniform(0, 255, (4, *inputs.shape[1:]))
    varied = [wide, 255 - wide, wide * 0.5, wide * 2, (wide - 128) * 4 + 128, extremes, noise]
    return np.clip(np.rint(np.concatenate(varied)), 0, 255).astype(np.uint8)


def _blend(low: GreyImage, high: GreyImage, share: npt.NDArray[np.float64]) -> GreyImage:
    """Return inputs with a `share` (N, 1, 1) of `high`."""
    mixed: GreyImage = np.rint(low * (1 - share) + high * share).astype(np.uint8)
    return mixed


def compare_at_threshold(
    expected_logits: npt.NDArray[np.float64],
    probabilities: npt.NDArray[np.float64],
    threshold_logit: float,
) -> ThresholdAgreement:
    """Compare a file with the saved model at the threshold.

    Parameters
    ----------
    expected_logits : float64 array, shape (N,)
        Of the saved model.
    probabilities : float64 array, shape (N,)
        Of the file, rounded to float32.
    threshold_logit : float
    """
    expected = expected_logits >= threshold_logit
    found = probabilities >= sigmoid(threshold_logit)
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities) - np.log1p(-probabilities)
        slope = sigmoid(expected_logits) * sigmoid(-expected_logits)
        tolerance = LOGIT_TOLERANCE + 2 * _FLOAT32_STEP / slope
    distance = np.abs(expected_logits - threshold_logit)
    near = distance <= NEAR_LOGIT
    difference = np.abs(logits - expected_logits)
    # Written so that NaN fails as well.
    differs = (near & ~(difference <= tolerance)) | ((expected != found) & (distance > tolerance))
    return ThresholdAgreement(
        above=int(expected.sum()),
        below=int((~expected).sum()),
        changed_above=int((expected & ~found).sum()),
        changed_below=int((~expected & found).sum()),
        near=int(near.sum()),
        near_difference=float(difference[near].max()) if near.any() else None,
        beyond_tolerance=int(differs.sum()),
    )
