"""Metrics of weighted groups are those of scikit-learn on slices repeated as often."""

import numpy as np
import pytest
from sklearn import metrics as reference

from spinefrac.evaluation.inputs import make_inputs
from spinefrac.evaluation.metric_kernels import (
    METRIC_NAMES,
    WeightedMetrics,
    assign_calibration_bins,
    log_loss_per_slice,
    safe_divide,
    sum_by_group,
)

REFERENCE = {
    "accuracy": lambda y, p: reference.accuracy_score(y, p >= 0.5),
    "balanced_accuracy": lambda y, p: reference.balanced_accuracy_score(y, p >= 0.5),
    "precision": lambda y, p: reference.precision_score(y, p >= 0.5),
    "recall": lambda y, p: reference.recall_score(y, p >= 0.5),
    "specificity": lambda y, p: reference.recall_score(y, p >= 0.5, pos_label=0),
    "f1": lambda y, p: reference.f1_score(y, p >= 0.5),
    "mcc": lambda y, p: reference.matthews_corrcoef(y, p >= 0.5),
    "auc": reference.roc_auc_score,
    "average_precision": reference.average_precision_score,
    "brier": reference.brier_score_loss,
    "log_loss": reference.log_loss,
}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, 120)
    scores = np.clip(np.round(0.25 + 0.4 * labels + rng.normal(0, 0.25, 120), 1), 0.0, 1.0)
    return labels, scores, np.repeat(np.arange(24), 5)


@pytest.mark.parametrize("name", REFERENCE)
def test_weights_are_repetitions(data, name):
    labels, scores, groups = data
    weights = np.random.default_rng(6).integers(0, 4, (24, 3)).astype(float)
    found = WeightedMetrics(make_inputs(*data), 0.5)(weights)[name]
    for column in range(3):
        rows = np.repeat(np.arange(120), weights[groups, column].astype(int))
        assert found[column] == pytest.approx(REFERENCE[name](labels[rows], scores[rows]))


def test_every_metric_is_there(data):
    found = WeightedMetrics(make_inputs(*data), 0.5)(np.ones((24, 1)))
    assert set(METRIC_NAMES) <= set(found)


def test_bins_are_open_below_and_0_is_in_the_first():
    assert assign_calibration_bins(np.array([0.0, 0.1, 0.2, 0.21, 1.0]), 5).tolist() == [
        0, 0, 0, 1, 4,
    ]  # fmt: skip


def test_a_certain_error_has_a_finite_log_loss():
    loss = log_loss_per_slice(np.array([1, 0]), np.array([0.0, 0.0]))
    assert np.isfinite(loss).all() and loss[0] > 30 and loss[1] == pytest.approx(0, abs=1e-12)


def test_division_by_zero_is_not_defined_and_sums_are_by_group(data):
    assert np.isnan(safe_divide(np.array([1.0]), np.array([0.0]))).all()
    inputs = make_inputs([0, 1, 1], [0.1, 0.2, 0.3], ["a", "b", "a"])
    assert sum_by_group(inputs, [inputs.y_true]).tolist() == [[1.0, 1.0]]
