"""Metrics against scikit-learn, under weights, at the edges, and as JSON."""

import json
import warnings

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from spinefrac.errors import DatasetError
from spinefrac.evaluation import metrics
from spinefrac.evaluation.inputs import make_inputs
from spinefrac.evaluation.metric_kernels import (
    METRIC_NAMES,
    WeightedMetrics,
    assign_calibration_bins,
)
from spinefrac.system import reading


@st.composite
def cases(draw, most=60):
    """Labels, probabilities (coarse ones, so that many are level), groups and a threshold."""
    n = draw(st.integers(2, most))
    labels = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    steps = draw(st.sampled_from([1, 2, 10, 1000, 10**9]))
    grid = draw(st.lists(st.integers(0, steps), min_size=n, max_size=n))
    groups = np.array(draw(st.lists(st.integers(0, 5), min_size=n, max_size=n)))
    threshold = draw(st.sampled_from([0.0, 0.3, 0.5, 1.0]))
    return labels, np.array(grid) / steps, groups, threshold


def by_scikit_learn(labels, probabilities, threshold):
    """The same metrics by scikit-learn, None where they are not defined."""
    called = (probabilities >= threshold).astype(int)
    both = 0 < labels.sum() < len(labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        precision, recall, f1, _ = reference.precision_recall_fscore_support(
            labels, called, labels=[0, 1], zero_division=np.nan
        )
        values = {
            "accuracy": reference.accuracy_score(labels, called),
            "precision": precision[1],
            "recall": recall[1],
            "specificity": recall[0],
            "f1": f1[1],
            "brier": reference.brier_score_loss(labels, probabilities),
            "log_loss": reference.log_loss(labels, probabilities, labels=[0, 1]),
            "balanced_accuracy": np.nan,
            "mcc": np.nan,
            "auc": np.nan,
            "average_precision": np.nan,
        }
        if both:
            values |= {
                "balanced_accuracy": reference.balanced_accuracy_score(labels, called),
                "mcc": reference.matthews_corrcoef(labels, called),
                "auc": reference.roc_auc_score(labels, probabilities),
                "average_precision": reference.average_precision_score(labels, probabilities),
            }
    return {name: None if np.isnan(value) else value for name, value in values.items()}


def ece_by_hand(labels, probabilities, bins=15):
    """Guo's definition, bin by bin: bins open below, 0 in the first."""
    total = 0.0
    for b in range(bins):
        low, high = np.linspace(0, 1, bins + 1)[b : b + 2]
        inside = (probabilities > low) & (probabilities <= high)
        if b == 0:
            inside |= probabilities == 0
        if inside.any():
            gap = labels[inside].mean() - probabilities[inside].mean()
            total += inside.mean() * abs(gap)
    return total


def close_to(value):
    """Equal to 1e-12, or None where there is no value."""
    return value if value is None else pytest.approx(value, rel=1e-12, abs=1e-12)


def assert_equal_to_scikit_learn(case):
    labels, probabilities, groups, threshold = case
    found = metrics.compute_metrics(labels, probabilities, groups, threshold, n_resamples=0)
    expected = by_scikit_learn(labels, probabilities, threshold)
    expected["ece"] = ece_by_hand(labels, probabilities)
    assert expected.keys() == set(METRIC_NAMES)
    for name, value in expected.items():
        assert getattr(found, name) == close_to(value), name
    called = probabilities >= threshold
    matrix = reference.confusion_matrix(labels, called, labels=[0, 1])
    assert np.array_equal(found.confusion_matrix, matrix)


@pytest.mark.parametrize("correct", [True, False])
def test_rounding_puts_no_metric_beyond_its_range(correct):
    """A model card with a correlation of 1.0000000000000002 would not be read again."""
    for count in range(2, 60):
        labels = np.repeat([0, 1], [count, 24])
        scores = (labels if correct else 1 - labels).astype(float)
        inputs = make_inputs(labels, scores, None)
        found = WeightedMetrics(inputs, 0.5)(np.ones((inputs.n_groups, 1)))
        for name in set(METRIC_NAMES) - {"log_loss"}:
            assert (-1.0 if name == "mcc" else 0.0) <= found[name][0] <= 1.0, (name, count)


def test_a_probability_on_an_edge_belongs_to_the_bin_below():
    assert assign_calibration_bins(np.linspace(0, 1, 16)).tolist() == [0, *range(15)]


def test_the_ece_of_resamples_loses_the_noise_of_resampling():
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 100_000))
    assert np.median(metrics.debiased_ece(noise)) == 0.0
    assert (metrics.debiased_ece(0.5 + noise) ** 2).mean() == pytest.approx(0.25, rel=0.01)


@given(cases())
@settings(max_examples=80, deadline=None)
def test_every_metric_equals_scikit_learn(case):
    assert_equal_to_scikit_learn(case)


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=1000, deadline=None)
def test_every_metric_equals_scikit_learn_a_thousand_times(seed):
    """More cases than can be drawn number by number in reasonable time."""
    generator = np.random.default_rng(seed)
    n, steps = generator.integers(2, 200), generator.choice([1, 3, 20, 10**9])
    labels = (generator.random(n) < generator.choice([0.02, 0.5, 0.9])).astype(int)
    scores = generator.integers(0, steps, n, endpoint=True) / steps
    threshold = generator.choice([0.0, 0.3, 0.5, 1.0])
    assert_equal_to_scikit_learn((labels, scores, generator.integers(0, 9, n), threshold))


@given(cases(most=25), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_weights_do_what_repeating_slices_does(case, seed):
    labels, probabilities, groups, threshold = case
    sample = make_inputs(labels, probabilities, groups)
    weights = np.random.default_rng(seed).integers(0, 4, size=(sample.n_groups, 3))
    weights[0] += weights.sum(axis=0) == 0
    found = WeightedMetrics(sample, threshold)(weights.astype(float))
    for column in range(weights.shape[1]):
        times = weights[sample.group_codes, column]
        repeated = metrics.compute_metrics(
            labels.repeat(times), probabilities.repeat(times), groups.repeat(times), threshold,
            n_resamples=0,
        )  # fmt: skip
        for name in METRIC_NAMES:
            value = found[name][column]
            expected = getattr(repeated, name)
            assert (None if np.isnan(value) else value) == close_to(expected), name


def test_two_hundred_thousand_rows_equal_scikit_learn():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 200_000)
    probabilities = np.round(generator.beta(1 + labels, 2 - labels), 4)
    found = metrics.compute_metrics(
        labels, probabilities, np.arange(200_000) // 100, 0.5, n_resamples=20
    )
    for name, value in by_scikit_learn(labels, probabilities, 0.5).items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-12), name
        low, high = found.ci[name]
        assert low < value < high


def test_two_rows():
    found = metrics.compute_metrics([0, 1], [0.2, 0.7], ["a", "b"], 0.5)
    assert (found.accuracy, found.auc, found.confusion_matrix) == (1.0, 1.0, ((1, 0), (0, 1)))
    assert found.ci["accuracy"] == (pytest.approx(0.025**0.5), 1.0)
    assert "auc" not in found.ci  # one group of each class bears no interval
    assert "add slices of other patients" in found.notes[0]


def test_json_has_the_promised_keys_and_comes_back():
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 2, 60)
    found = metrics.compute_metrics(
        labels, generator.random(60), np.arange(60) // 5, 0.4, n_resamples=200
    )
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert reading.convert(json.loads(text), metrics.Metrics) == found
    promised = (
        "n groups accuracy precision recall specificity f1 auc average_precision brier ece "
        "confusion_matrix ci balanced_accuracy mcc log_loss"
    )
    assert set(promised.split()) <= json.loads(text).keys()
    assert set(found.ci) == set(METRIC_NAMES)
    (tn, fp), (fn, tp) = found.confusion_matrix
    assert found.n == tn + fp + fn + tp == 60
    assert found.recall == tp / (tp + fn)


@pytest.mark.parametrize(("label", "defined", "undefined"), [
    (1, "recall", "specificity"),
    (0, "specificity", "recall"),
])  # fmt: skip
def test_one_class_says_so_and_gives_null(label, defined, undefined):
    found = metrics.compute_metrics([label] * 4, [0.1, 0.6, 0.7, 0.9], list("aabb"), 0.5)
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["auc"] is None and data["average_precision"] is None and data["mcc"] is None
    assert data[undefined] is None and data[defined] is not None
    assert "auc" not in data["ci"] and undefined not in data["ci"] and "accuracy" in data["ci"]
    assert "both classes are not defined: add slices" in data["notes"][0]


def test_one_group_has_numbers_but_no_interval():
    found = metrics.compute_metrics([0, 1, 1], [0.2, 0.4, 0.9], ["p"] * 3, 0.5)
    assert found.auc == 1.0 and found.ci == {}
    assert "one group, so no interval" in found.notes[0]


def test_nothing_called_leaves_precision_open_and_says_so():
    found = metrics.compute_metrics([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], list("abcd"), 0.9)
    assert found.precision is None and found.mcc == 0.0 and "precision" not in found.ci
    assert "choose a lower threshold" in found.notes[0]


@pytest.mark.parametrize(("arrays", "message"), [
    (([], [], []), "at least one label"),
    (([0, 1], [0.5], ["a", "b"]), "Expected 2 probabilities"),
    (([0, 1], [0.5, 0.1], ["a"]), "one group for each of 2"),
    (([0, 2], [0.5, 0.1], ["a", "b"]), "labels 0"),
    ((["no", "yes"], [0.5, 0.1], ["a", "b"]), "labels 0"),
    (([0, 1], [0.5, float("nan")], ["a", "b"]), "finite probabilities"),
    (([0, 1], [0.5, 3.0], ["a", "b"]), "not logits"),
])  # fmt: skip
def test_arrays_that_do_not_fit_are_named(arrays, message):
    with pytest.raises(DatasetError, match=message) as raised:
        metrics.compute_metrics(*arrays, 0.5)
    assert "\n" not in str(raised.value)


def test_a_threshold_that_is_no_number_is_refused():
    with pytest.raises(DatasetError, match="finite threshold"):
        metrics.compute_metrics([0, 1], [0.1, 0.9], ["a", "b"], float("nan"))


def test_moving_the_threshold_gives_what_a_fresh_summary_gives():
    generator = np.random.default_rng(2)
    labels, groups = generator.integers(0, 2, 200), np.arange(200) // 4
    arrays = labels, generator.random(200), groups
    measurement = metrics.MetricsCalculator(*arrays, n_resamples=300, seed=5)
    for threshold in (0.3, 0.6):
        fresh = metrics.compute_metrics(*arrays, threshold, n_resamples=300, seed=5)
        assert measurement.at_threshold(threshold) == fresh
