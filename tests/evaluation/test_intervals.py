"""Intervals: what is drawn, what is exact, and how often the truth is inside."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from benchmarks.evaluation import Population, measure_coverage
from spinefrac.evaluation import intervals, metrics
from spinefrac.evaluation.calibration import apply_temperature

#: An AUC near 1 whose errors are those of few patients.
SKEWED = Population("", separation=4.7, fractured=0.6, correlation=0.5, slices=12, unevenness=0.6)


def test_resamples_draw_as_many_groups_as_there_are():
    blocks = list(intervals.draw_group_resamples(7, 50, seed=3, n_slices=200_000))
    weights = np.concatenate(blocks, axis=1)
    assert weights.shape == (7, 50) and len(blocks) > 1
    assert (weights.sum(axis=0) == 7).all()
    # Each group is drawn once on average, with the variance of a multinomial, 1 - 1/7.
    many = np.concatenate(
        list(intervals.draw_group_resamples(7, 20_000, seed=3, n_slices=7)), axis=1
    )
    assert many.mean(axis=1) == pytest.approx(np.ones(7), abs=0.03)
    assert many.var(axis=1) == pytest.approx(np.full(7, 6 / 7), abs=0.05)


def test_the_seed_decides():
    first, second, other = (
        next(intervals.draw_group_resamples(20, 5, seed=seed, n_slices=20)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, second) and not np.array_equal(first, other)


def test_repeating_every_slice_of_a_patient_adds_no_certainty():
    generator = np.random.default_rng(0)
    labels, groups = generator.integers(0, 2, 80), np.arange(80) // 4
    scores = np.clip(generator.normal(0.3 + 0.3 * labels, 0.2), 0, 1)
    once = metrics.compute_metrics(labels, scores, groups, 0.5, n_resamples=200)
    thrice = metrics.compute_metrics(
        labels.repeat(3), scores.repeat(3), groups.repeat(3), 0.5, n_resamples=200
    )
    for name, pair in once.ci.items():
        assert thrice.ci[name] == pytest.approx(pair, abs=1e-9), name


@pytest.mark.parametrize("groups", [2, 10, 100])
def test_a_perfect_score_has_the_exact_interval_of_its_groups(groups):
    exact = binomtest(groups, groups).proportion_ci(method="exact")
    low, high = intervals.rate_interval(1.0, np.ones(100), groups)
    assert (low, high) == (pytest.approx(exact.low), 1.0)
    low, high = intervals.rate_interval(0.0, np.zeros(100), groups)
    assert (low, high) == (0.0, pytest.approx(1 - exact.low))


@pytest.mark.parametrize("groups", [2, 5])
def test_the_standard_error_of_a_mean_is_the_textbook_one(groups):
    """The bootstrap's own is too small by the square root of (g - 1) / g."""
    values = np.arange(groups, dtype=float)
    drawn = intervals.bootstrap(
        lambda w: {"mean": values @ w / groups}, groups, n_slices=groups, n_resamples=40_000
    )
    found = intervals.standard_error(drawn["mean"], groups)
    assert found == pytest.approx(values.std(ddof=1) / groups**0.5, rel=0.02)


def test_a_rate_stays_between_its_bounds():
    replicates = np.random.default_rng(0).normal(0.98, 0.05, 500)
    low, high = intervals.rate_interval(0.98, replicates, 10)
    assert 0.0 < low < 0.98 < high < 1.0
    low, high = intervals.rate_interval(-0.9, replicates - 1.88, 10, lower_bound=-1.0)
    assert -1.0 < low < -0.9 < high < 1.0


def test_near_the_middle_a_rate_has_the_textbook_interval():
    replicates = np.random.default_rng(0).normal(0.5, 0.01, 200_000)
    low, high = intervals.rate_interval(0.5, replicates, 10_000)
    assert (low, high) == (pytest.approx(0.5 - 0.0196, abs=2e-4), pytest.approx(0.5196, abs=2e-4))


def test_a_difference_excludes_zero_exactly_where_p_is_small():
    replicates = np.random.default_rng(0).normal(0.0, 1.0, 2000)
    for point in np.linspace(-4, 4, 81):
        (low, high), p = intervals.difference_interval(float(point), replicates, 20)
        assert (low > 0 or high < 0) == (p < 0.05)


def test_too_little_gives_no_interval():
    replicates = np.array([np.nan, np.nan, np.nan, 0.5, 0.6])
    assert intervals.rate_interval(0.5, replicates, 10) is None
    assert intervals.percentile_interval(replicates) is None
    assert intervals.rate_interval(0.5, np.array([0.4, 0.5]), 1) is None
    assert intervals.difference_interval(1.0, np.ones(50), 5) is None
    assert intervals.difference_interval(1.0, np.ones(50), 6) == ((1.0, 1.0), 2**-5)


def test_groups_hold_the_truth_where_slices_do_not():
    """50 patients of 10 slices, a patient all of one class: the AUC is known exactly."""
    separation, held = 2.0, np.zeros(2)
    truth = norm.cdf(separation / 2)  # difference of two normals of variance 2 each
    generator = np.random.default_rng(4)
    groups = np.repeat(np.arange(50), 10)
    labels = groups % 2
    for repetition in range(100):
        evidence = separation * labels + generator.normal(size=50)[groups]
        scores = apply_temperature(evidence + generator.normal(size=500), 1.0)
        for kind, drawn in enumerate((groups, np.arange(500))):
            found = metrics.compute_metrics(
                labels, scores, drawn, 0.5, n_resamples=200, seed=repetition
            )
            low, high = found.ci["auc"]
            held[kind] += low <= truth <= high
    assert 89 <= held[0] <= 99
    assert held[1] < 75


def test_few_groups_lend_variance_from_the_prior():
    """Three groups that happen to agree are no certainty, and those that differ no ignorance."""
    generator = np.random.default_rng(0)
    alike, apart = (
        intervals.rate_interval(0.8, generator.normal(0.8, spread, 5000), 3)
        for spread in (0.001, 0.25)
    )
    assert alike[1] - alike[0] > 0.2 and apart[1] - apart[0] < 0.95
    many = intervals.rate_interval(0.8, generator.normal(0.8, 0.001, 5000), 3000)
    assert many[1] - many[0] < 0.01


def test_a_few_bad_groups_move_the_interval_to_their_side():
    generator = np.random.default_rng(0)
    skewed = 0.95 - 0.01 * (generator.exponential(size=5000) - 1)
    symmetric = 0.95 - 0.01 * generator.normal(size=5000)
    low, high = intervals.rate_interval(0.95, skewed, 40)
    other_low, other_high = intervals.rate_interval(0.95, symmetric, 40)
    assert low < other_low and high < other_high


def test_twenty_patients_of_whom_some_are_bad_hold_the_auc():
    """With the bootstrap's own variance and without skewness, they hold it in 88 %."""
    found = measure_coverage(SKEWED, 20, repetitions=120, resamples=120, names=("auc",))
    assert 0.92 <= found["auc"] <= 0.99
