"""Agreement at the threshold: inputs next to it, both sides counted, differences in logits."""

import math

import numpy as np
import pytest

from spinefrac.evaluation.calibration import sigmoid
from spinefrac.exchange.threshold_agreement import (
    compare_at_threshold,
    make_inputs_near_threshold,
    to_logit,
)

INPUTS = np.random.default_rng(0).integers(0, 256, (16, 32, 32), dtype=np.uint8)


def mean_brightness(inputs: np.ndarray) -> np.ndarray:
    return inputs.mean(axis=(1, 2), dtype=np.float64) / 10 - 12


def as_file(logits: np.ndarray) -> np.ndarray:
    """Return the probabilities that a file gives, in its precision."""
    return sigmoid(logits).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("threshold", [0.001, 0.5, 0.9999])
def test_inputs_lie_next_to_the_threshold_on_both_sides(threshold: float) -> None:
    logit = to_logit(threshold)
    distances = mean_brightness(make_inputs_near_threshold(mean_brightness, INPUTS, logit)) - logit
    assert np.abs(distances).max() < 0.1
    assert (distances < 0).sum() >= 4 and (distances >= 0).sum() >= 4


@pytest.mark.parametrize("threshold", [0.0, 1.0, 1 - 1e-9])
def test_where_no_input_is_on_the_other_side_none_is_made(threshold: float) -> None:
    near = make_inputs_near_threshold(mean_brightness, INPUTS, to_logit(threshold))
    assert near.shape == (0, 32, 32)


@pytest.mark.parametrize("threshold", [0.5, 0.9, 0.99995, 1e-5])
def test_the_rounding_of_a_file_is_no_difference(threshold: float) -> None:
    logits = to_logit(threshold) + np.linspace(-3, 3, 60)
    found = compare_at_threshold(logits, as_file(logits), to_logit(threshold))
    assert (found.above, found.below, found.changed, found.beyond_tolerance) == (30, 30, 0, 0)
    assert found.near == 20 and not found.is_one_sided


@pytest.mark.parametrize("threshold", [0.5, 0.99995, 1e-5])
def test_a_shift_near_the_threshold_is_found(threshold: float) -> None:
    logits = to_logit(threshold) + np.linspace(-3, 3, 60)
    shifted = np.where(np.abs(logits - to_logit(threshold)) < 0.2, logits + 0.3, logits)
    found = compare_at_threshold(logits, as_file(shifted), to_logit(threshold))
    assert found.changed_below > 0 == found.changed_above
    assert found.beyond_tolerance == 4 and found.near_difference == pytest.approx(0.3, abs=0.01)
    assert "of 30 below it 2" in found.describe()
    assert found.summarize() == "30 above, 30 below, 2 changed"


def test_another_class_far_from_the_threshold_is_found() -> None:
    logits = np.array([-5.0, 5.0])
    assert compare_at_threshold(logits, as_file(-logits), 0.0).beyond_tolerance == 2
    assert compare_at_threshold(logits, np.array([math.nan, 0.99]), 4.5).beyond_tolerance == 1


def test_a_threshold_beyond_all_slices_is_said() -> None:
    logits = np.linspace(-2, 2, 8)
    found = compare_at_threshold(logits, as_file(logits), to_logit(1.0))
    assert found.is_one_sided and found.near_difference is None
    assert found.describe().startswith("All 8 slices are below the threshold, and 0 of them")
