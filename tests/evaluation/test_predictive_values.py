"""Predictive values follow Bayes' rule, and their intervals the patients."""

import numpy as np
import pytest

from spinefrac.errors import DatasetError
from spinefrac.evaluation.metrics import summarize
from spinefrac.evaluation.predictive_values import Predictive


def answers(seed=0, patients=60, slices=10):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, patients * slices)
    scores = np.clip(0.3 + 0.4 * labels + rng.normal(0, 0.25, len(labels)), 0, 1)
    return labels, scores, np.repeat(np.arange(patients), slices)


def test_at_the_observed_prevalence_they_are_the_counted_ones():
    labels, scores, groups = answers()
    values = Predictive(labels, scores, groups, 0.5).at(labels.mean())
    called = scores >= 0.5
    assert values.positive.value == pytest.approx(labels[called].mean())
    assert values.negative.value == pytest.approx(1 - labels[~called].mean())


def test_a_rare_fracture_makes_a_positive_answer_worth_less():
    predictive = Predictive(*answers(), 0.5)
    metrics = summarize(*answers(), 0.5)
    rare = predictive.at(0.01)
    expected = 0.01 * metrics.recall / (0.01 * metrics.recall + 0.99 * (1 - metrics.specificity))
    assert rare.positive.value == pytest.approx(expected)
    low, high = rare.positive.interval
    assert low < expected < high < predictive.at(0.5).positive.value
    assert rare.negative.value > predictive.at(0.5).negative.value


def test_where_nothing_is_called_there_is_no_value():
    labels, scores, groups = answers()
    values = Predictive(labels, scores, groups, 1.5).at(0.3)
    assert np.isnan(values.positive.value) and values.positive.interval is None
    assert values.negative.value == pytest.approx(0.7)


def test_one_patient_gives_no_interval():
    labels, scores, _ = answers()
    assert Predictive(labels, scores, np.zeros(len(labels)), 0.5).at(0.2).positive.interval is None


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -1, float("nan")])
def test_a_prevalence_out_of_range_is_refused(prevalence):
    with pytest.raises(DatasetError, match="prevalence"):
        Predictive(*answers(), 0.5).at(prevalence)
