"""The test of an error rate counts patients, however their slices resemble each other."""

import numpy as np
import pytest
from scipy.stats import binom

from spinefrac.evaluation.group_error_test import (
    count_groups_needed,
    effective_groups,
    error_rate_p_values,
    min_groups,
)


def whole(count, wrong, slices=12):
    """Errors and slices of groups of which some are wrong as a whole, (G, 1) each."""
    sizes = np.full((count, 1), float(slices))
    return np.where(np.arange(count)[:, None] < wrong, sizes, 0.0), sizes


@pytest.mark.parametrize(("count", "wrong"), [(10, 0), (45, 0), (80, 1), (120, 3)])
@pytest.mark.parametrize("slices", [1, 300])
def test_groups_that_are_right_or_wrong_as_a_whole_have_the_binomial_p_value(count, wrong, slices):
    found = error_rate_p_values(*whole(count, wrong, slices), 0.05)
    assert found == pytest.approx(binom.cdf(wrong, count, 0.05), abs=0.005)


def test_errors_spread_over_the_groups_say_more_than_whole_wrong_groups():
    sizes = np.full((80, 1), 12.0)
    spread, gathered = np.zeros((80, 1)), np.zeros((80, 1))
    spread[:24], gathered[:2] = 1.0, 12.0  # 24 of 960 slices each
    few, many = (error_rate_p_values(errors, sizes, 0.05)[0] for errors in (spread, gathered))
    assert few < 0.15 < many == pytest.approx(binom.cdf(2, 80, 0.05), abs=0.01)


def test_one_large_group_does_not_hide_behind_many_small_ones():
    sizes = np.ones((60, 1))
    even = error_rate_p_values(np.zeros((60, 1)), sizes, 0.05)[0]
    sizes[0] = 200.0
    uneven = error_rate_p_values(np.zeros((60, 1)), sizes, 0.05)[0]
    assert even < 0.1 < uneven
    assert effective_groups(sizes[:, 0]) < 2 < effective_groups(np.ones(60)) == 60


def test_several_sets_are_tested_at_once_and_an_empty_one_shows_nothing():
    errors, sizes = whole(60, 1)
    found = error_rate_p_values(
        np.hstack([errors, 0 * errors]), np.hstack([sizes, 0 * sizes]), 0.05
    )
    assert (
        found[0] == pytest.approx(error_rate_p_values(errors, sizes, 0.05)[0]) and found[1] == 1.0
    )


@pytest.mark.parametrize("correlation", ["none", "half", "whole"])
def test_a_rate_just_above_the_acceptable_one_is_rarely_accepted(correlation):
    rng, accepted = np.random.default_rng(3), 0
    for _ in range(100):
        sizes = rng.integers(2, 30, 70)
        chance = {
            "none": np.full(70, 0.055),
            "half": rng.beta(0.055, 0.945, 70),
            "whole": (rng.random(70) < 0.055).astype(float),
        }[correlation]
        errors = rng.binomial(sizes, chance).astype(float)
        accepted += (
            error_rate_p_values(errors[:, None], sizes[:, None].astype(float), 0.05)[0] <= 0.1
        )
    assert accepted <= 17  # 10 are allowed; 18 would be seen once in a hundred such tests


def test_the_number_of_groups_needed():
    assert [min_groups(rate, 0.9) for rate in (0.02, 0.05, 0.1)] == [114, 45, 22]
    errors, sizes = (values[:, 0] for values in whole(30, 0))
    assert count_groups_needed(errors, sizes, 0.05, 0.9) == 45
    errors[0] = 3.0
    assert 45 < count_groups_needed(errors, sizes, 0.05, 0.9) < 80
    errors[:2] = 12.0
    assert count_groups_needed(errors, sizes, 0.05, 0.9) is None
