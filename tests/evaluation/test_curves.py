"""Curves against scikit-learn, worked examples and simulated truth."""

import warnings

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from spinefrac.errors import DatasetError
from spinefrac.evaluation import curves


@st.composite
def both_classes(draw):
    n = draw(st.integers(2, 50))
    labels = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    labels[:2] = (0, 1)
    steps = draw(st.sampled_from([1, 7, 1000]))
    grid = draw(st.lists(st.integers(0, steps), min_size=n, max_size=n))
    return labels, np.array(grid) / steps


@given(both_classes())
@settings(max_examples=80, deadline=None)
def test_curves_equal_scikit_learn(case):
    labels, probabilities = case
    roc = curves.roc_curve(labels, probabilities)
    x, y, thresholds = reference.roc_curve(labels, probabilities, drop_intermediate=False)
    assert roc.false_positive_rate == pytest.approx(x, abs=1e-12)
    assert roc.true_positive_rate == pytest.approx(y, abs=1e-12)
    assert np.array_equal(roc.thresholds, thresholds)
    area = np.trapezoid(roc.true_positive_rate, roc.false_positive_rate)
    assert area == pytest.approx(reference.roc_auc_score(labels, probabilities), abs=1e-12)

    found = curves.precision_recall_curve(labels, probabilities)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        precision, recall, _ = reference.precision_recall_curve(labels, probabilities)
    assert found.precision == pytest.approx(precision[::-1], abs=1e-12)
    assert found.recall == pytest.approx(recall[::-1], abs=1e-12)


def test_bands_are_mean_and_spread_over_folds():
    labels = np.array([0, 1, 0, 1, 0, 1, 0, 0])
    scores = np.array([0.1, 0.9, 0.8, 0.2, 0.3, 0.7, 0.5, 0.6])
    folds = np.array([0, 0, 1, 1, 2, 2, 3, 3])  # right, wrong, right; the last has one class
    roc = curves.roc_curve_band(labels, scores, folds, n_points=3)
    assert roc.mean == pytest.approx([2 / 3, 2 / 3, 1.0])
    sd = np.std([1, 0, 1], ddof=1)
    assert roc.low[:2] == pytest.approx(np.full(2, 2 / 3 - sd)) and roc.high[0] == 1.0
    found = curves.precision_recall_curve_band(labels, scores, folds, n_points=3)
    assert found.mean == pytest.approx([1.0, (1 + 0.5 + 1) / 3, (1 + 0.5 + 1) / 3])
    with pytest.raises(DatasetError, match="fold with slices of both classes"):
        curves.roc_curve_band([0, 0], [0.1, 0.2], [0, 1])


def test_calibration_bins_hold_about_equally_many():
    generator = np.random.default_rng(0)
    p = generator.random(5000)
    labels = (generator.random(5000) < p).astype(int)
    bins = curves.calibration_curve(labels, p, np.arange(5000) // 5, n_resamples=300)
    assert len(bins) == 10 and sum(b.count for b in bins) == 5000
    assert all(abs(b.count - 500) <= 1 for b in bins)
    held = [b.interval[0] <= b.mean_predicted_probability <= b.interval[1] for b in bins]
    assert sum(held) >= 8
    one, two = curves.calibration_curve(
        [0, 1, 1, 1], [0.2, 0.2, 0.9, 0.9], list("abcd"), n_resamples=50
    )
    assert (one.count, one.mean_predicted_probability, one.fraction_of_positives) == (
        2,
        pytest.approx(0.2),
        0.5,
    )
    assert (two.count, two.mean_predicted_probability, two.fraction_of_positives) == (
        2,
        pytest.approx(0.9),
        1.0,
    )
    assert two.interval[0] < 1.0 and two.interval[1] == 1.0


def test_spiegelhalter_by_hand():
    # (1 - 0.8)(1 - 1.6) + (0 - 0.3)(1 - 0.6) = -0.24
    # 0.36 · 0.16 + 0.16 · 0.21 = 0.0912
    found = curves.spiegelhalter_test([1, 0], [0.8, 0.3], ["a", "b"])
    assert found.z == pytest.approx(-0.24 / 0.0912**0.5)
    assert found.p == pytest.approx(0.42676, abs=1e-4)
    assert found.z_groups == pytest.approx(-0.24 / (2 * 0.12**2) ** 0.5)
    with pytest.raises(DatasetError, match=r"other than 0, 0\.5 and 1"):
        curves.spiegelhalter_test([1, 0], [1.0, 0.0], ["a", "b"])


def test_spiegelhalter_is_uniform_under_truth_and_knows_groups():
    generator = np.random.default_rng(2)
    groups = np.arange(400) // 4
    alone, p_groups, p_slices = [], [], []
    for _ in range(300):
        p = generator.uniform(0.05, 0.95, 400)
        alone.append(curves.spiegelhalter_test(generator.random(400) < p, p, groups).p)
        # All slices of a patient with one probability and one outcome.
        shared = generator.uniform(0.05, 0.95, 100)[groups]
        outcome = (generator.random(100)[groups] < shared).astype(int)
        found = curves.spiegelhalter_test(outcome, shared, groups)
        p_groups.append(found.p_groups)
        p_slices.append(found.p)
    assert kstest(alone, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_groups) < 0.05) < 0.09
    assert np.mean(np.array(p_slices) < 0.05) > 0.2


def test_decision_curve_by_hand():
    labels, p = [1, 0, 1, 0], [0.9, 0.6, 0.4, 0.1]
    found = curves.decision_curve(labels, p, list("abcd"), [0.0, 0.2, 0.5, 0.7])
    # 2/4 - 2/4·0, 2/4 - 1/4·(1/4), 1/4 - 1/4·1, 1/4 - 0
    assert found.net_benefit == pytest.approx([0.5, 0.4375, 0.0, 0.25])
    assert found.treat_all == pytest.approx([0.5, 0.375, 0.0, 0.5 - 0.5 * 7 / 3])
    assert (found.low <= found.net_benefit).all() and (found.net_benefit <= found.high).all()
    alone = curves.decision_curve(labels, p, ["a"] * 4, [0.2])
    assert np.isnan(alone.low).all() and alone.net_benefit == pytest.approx([0.4375])
    with pytest.raises(DatasetError, match="below 1"):
        curves.decision_curve(labels, p, list("abcd"), [1.0])


@pytest.mark.parametrize("curve", [curves.roc_curve, curves.precision_recall_curve])
def test_one_class_has_no_curve(curve):
    with pytest.raises(DatasetError, match="both classes"):
        curve([1, 1], [0.2, 0.4])
