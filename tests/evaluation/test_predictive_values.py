"""Predictive values follow Bayes' rule, and their intervals the patients."""

import numpy as np
import pytest

from spinefrac.errors import DatasetError
from spinefrac.evaluation.metrics import compute_metrics
from spinefrac.evaluation.predictive_values import PredictiveValueCalculator


def answers(seed=0, patients=60, slices=10):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, patients * slices)
    scores = np.clip(0.3 + 0.4 * labels + rng.normal(0, 0.25, len(labels)), 0, 1)
    return labels, scores, np.repeat(np.arange(patients), slices)


def test_at_the_observed_prevalence_they_are_the_counted_ones():
    labels, scores, groups = answers()
    values = PredictiveValueCalculator(labels, scores, groups, 0.5).at_prevalence(labels.mean())
    called = scores >= 0.5
    assert values.ppv.value == pytest.approx(labels[called].mean())
    assert values.npv.value == pytest.approx(1 - labels[~called].mean())


def test_a_rare_fracture_makes_a_positive_answer_worth_less():
    predictive = PredictiveValueCalculator(*answers(), 0.5)
    metrics = compute_metrics(*answers(), 0.5)
    rare = predictive.at_prevalence(0.01)
    expected = 0.01 * metrics.recall / (0.01 * metrics.recall + 0.99 * (1 - metrics.specificity))
    assert rare.ppv.value == pytest.approx(expected)
    low, high = rare.ppv.interval
    assert low < expected < high < predictive.at_prevalence(0.5).ppv.value
    assert rare.npv.value > predictive.at_prevalence(0.5).npv.value


def test_where_nothing_is_called_there_is_no_value():
    labels, scores, groups = answers()
    values = PredictiveValueCalculator(labels, scores, groups, 1.5).at_prevalence(0.3)
    assert np.isnan(values.ppv.value) and values.ppv.interval is None
    assert values.npv.value == pytest.approx(0.7)


def test_one_patient_gives_no_interval():
    labels, scores, _ = answers()
    assert (
        PredictiveValueCalculator(labels, scores, np.zeros(len(labels)), 0.5)
        .at_prevalence(0.2)
        .ppv.interval
        is None
    )


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -1, float("nan")])
def test_a_prevalence_out_of_range_is_refused(prevalence):
    with pytest.raises(DatasetError, match="prevalence"):
        PredictiveValueCalculator(*answers(), 0.5).at_prevalence(prevalence)
