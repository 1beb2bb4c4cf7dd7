"""What is expected of a number of patients, from curves that were measured."""

from __future__ import annotations

import pytest

from spinefrac.training.expectation import ExpectedAuc, LearningCurve, find_curve
from spinefrac.training.settings import TrainingSettings

CURVE = LearningCurve(10, ((5, ExpectedAuc(0.6, 0.5, 0.7)), (20, ExpectedAuc(0.8, 0.7, 0.9))))


def test_between_measured_numbers_the_curve_is_linear_in_the_logarithm() -> None:
    assert CURVE.expect(5) == ExpectedAuc(0.6, 0.5, 0.7)
    middle = CURVE.expect(10)
    assert middle is not None
    assert (middle.auc, middle.low, middle.high) == pytest.approx((0.7, 0.6, 0.8))
    assert CURVE.expect(20) == ExpectedAuc(0.8, 0.7, 0.9)


@pytest.mark.parametrize("patients", [0, 4, 21])
def test_outside_of_what_was_measured_nothing_is_expected(patients: int) -> None:
    assert CURVE.expect(patients) is None
    assert LearningCurve(10, ()).expect(patients) is None


@pytest.mark.parametrize(
    ("settings", "has_curve"),
    [
        (TrainingSettings(), True),
        (TrainingSettings(network="compact"), True),
        (TrainingSettings(network="compact", weights="none"), True),
        (TrainingSettings(network="compact", weights="start.weights.h5"), False),
        (TrainingSettings(network="lite0"), True),
        (TrainingSettings(network="compact_lite0", thaw=True), False),
        (TrainingSettings(network="compact_lite0", thaw=False), True),
        (TrainingSettings(network="resnet50"), False),
    ],
)
def test_a_curve_belongs_to_network_and_weights(settings: TrainingSettings, has_curve: bool):
    assert (find_curve(settings) is not None) == has_curve
