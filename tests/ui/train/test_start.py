"""What is said beside the button Train."""

from dataclasses import replace

import pytest

from spinefrac.training.runs import DurationEstimate
from spinefrac.training.settings import TrainingSettings
from spinefrac.ui.train import start


def test_the_work_is_counted_over_folds_and_epochs():
    text = start.describe_work(replace(TrainingSettings(), folds=5, epochs=10), 100)
    assert text == (
        "5 networks, each trained on about 80 of 100 slices for 10 epochs: 4,000 slices in total."
    )


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(10, 50, "less than a minute"), (20, 200, "60 s to 3 min"), (600, 610, "10 min")],
)
def test_estimates_are_ranges(low, high, expected):
    estimate = DurationEstimate(seconds=(low + high) / 2, low=low, high=high, basis="")
    assert start.format_estimate(estimate) == expected
