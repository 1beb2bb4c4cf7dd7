"""The rule chooses the best threshold there is, by comparison with trying every one."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinefrac.errors import DatasetError
from spinefrac.evaluation import operating_point
from spinefrac.evaluation.metrics import compute_metrics
from spinefrac.system import reading

RULES = ("youden", "sensitivity:0.9", "sensitivity:1", "specificity:0.8", "cost:5", "cost:0.2")


def every_choice(labels, probabilities):
    """Sensitivity, specificity, misses and false alarms at every threshold that matters."""
    for threshold in [*np.unique(probabilities), 2.0]:
        called = probabilities >= threshold
        misses = int((~called & (labels == 1)).sum())
        alarms = int((called & (labels == 0)).sum())
        positives, negatives = int(labels.sum()), int((1 - labels).sum())
        yield 1 - misses / positives, 1 - alarms / negatives, misses, alarms


@given(st.data(), st.sampled_from(RULES))
@settings(max_examples=120, deadline=None)
def test_no_other_threshold_is_better(data, rule):
    n = data.draw(st.integers(2, 40))
    labels = np.array(data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    labels[:2] = (0, 1)
    steps = data.draw(st.sampled_from([1, 5, 1000]))
    grid = data.draw(st.lists(st.integers(0, steps), min_size=n, max_size=n))
    probabilities = np.array(grid) / steps
    point = operating_point.choose_threshold(
        labels, probabilities, np.arange(n), rule, n_resamples=0
    )
    found = compute_metrics(labels, probabilities, np.arange(n), point.threshold, n_resamples=0)
    assert (found.recall, found.specificity) == (
        pytest.approx(point.sensitivity), pytest.approx(point.specificity),
    )  # fmt: skip

    choices = list(every_choice(labels, probabilities))
    kind, wanted = operating_point.parse_rule(rule)
    if kind == "youden":
        best = max(sensitivity + specificity for sensitivity, specificity, *_ in choices)
        assert point.sensitivity + point.specificity == pytest.approx(best)
    elif kind == "cost":
        (_, fp), (fn, _) = found.confusion_matrix
        assert wanted * fn + fp == pytest.approx(min(wanted * m + a for *_, m, a in choices))
    elif kind == "sensitivity":
        enough = [specificity for s, specificity, *_ in choices if s >= wanted - 1e-9]
        assert point.sensitivity >= wanted - 1e-9
        assert point.specificity == pytest.approx(max(enough))
    else:
        enough = [sensitivity for sensitivity, s, *_ in choices if s >= wanted - 1e-9]
        assert point.specificity >= wanted - 1e-9
        assert point.sensitivity == pytest.approx(max(enough))


def test_the_threshold_lies_midway_in_the_gap():
    point = operating_point.choose_threshold([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9], list("abcd"))
    assert point.threshold == pytest.approx(0.4)
    assert (point.sensitivity, point.specificity) == (1.0, 1.0)
    # Two groups of each class, none wrong: the exact interval, not one without width.
    assert point.ci["sensitivity"] == (pytest.approx(0.025**0.5), 1.0)


def test_neighbouring_floats_are_still_told_apart():
    low = 0.3
    high = float(np.nextafter(low, 1.0))
    point = operating_point.choose_threshold([0, 1], [low, high], ["a", "b"], n_resamples=0)
    assert low < point.threshold <= high


def test_intervals_hold_what_they_are_of():
    generator = np.random.default_rng(0)
    groups = np.arange(600) // 6
    labels = generator.integers(0, 2, 600)
    scores = np.clip(generator.normal(0.3 + 0.3 * labels, 0.2), 0, 1)
    point = operating_point.choose_threshold(
        labels, scores, groups, "sensitivity:0.9", n_resamples=500
    )
    assert set(point.ci) == {"sensitivity", "specificity", "threshold"}
    for name, (low, high) in point.ci.items():
        assert low < getattr(point, name) < high
    summary = compute_metrics(labels, scores, groups, point.threshold, n_resamples=500)
    assert point.ci["sensitivity"] == pytest.approx(summary.ci["recall"])
    data = json.loads(json.dumps(point.to_dict(), allow_nan=False))
    assert reading.convert(data, operating_point.OperatingPoint) == point


@pytest.mark.parametrize(
    "rule", ["", "best", "youden:1", "sensitivity", "sensitivity:1.2", "specificity:0", "cost:-1",
             "cost:inf", "sensitivity:nan"]
)  # fmt: skip
def test_a_rule_that_is_none_is_refused(rule):
    with pytest.raises(DatasetError, match="Expected a threshold rule such as youden"):
        operating_point.choose_threshold([0, 1], [0.1, 0.9], ["a", "b"], rule)


def test_one_class_is_refused():
    with pytest.raises(DatasetError, match="both classes to choose a threshold"):
        operating_point.choose_threshold([1, 1], [0.1, 0.9], ["a", "b"])
