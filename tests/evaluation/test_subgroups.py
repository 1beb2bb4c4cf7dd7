"""Metrics of folds and subgroups."""

import numpy as np
import pytest

from spinefrac.evaluation.metrics import compute_metrics
from spinefrac.evaluation.subgroups import metric_spread, metrics_by_subgroup


def test_each_part_is_measured_by_itself():
    generator = np.random.default_rng(0)
    labels, scores = generator.integers(0, 2, 240), generator.random(240)
    groups, folds = np.arange(240) // 4, np.arange(240) // 4 % 12
    parts = metrics_by_subgroup(labels, scores, groups, folds, 0.5, n_resamples=100)
    assert list(parts) == [str(fold) for fold in range(12)]  # 10 comes after 9
    mine = folds == 10
    alone = compute_metrics(labels[mine], scores[mine], groups[mine], 0.5, n_resamples=100)
    assert parts["10"] == alone


def test_the_spread_is_of_the_parts_that_define_it():
    labels = [0, 1, 0, 1, 1, 1]
    scores = [0.1, 0.9, 0.8, 0.2, 0.7, 0.3]
    scanners = ["x", "x", "y", "y", "z", "z"]
    parts = metrics_by_subgroup(labels, scores, list("abcdef"), scanners, 0.5, n_resamples=0)
    found = metric_spread(parts.values())
    auc = found["auc"]  # 1, 0, and not defined for the last, which has one class
    assert (auc.mean, auc.low, auc.high, auc.n_subgroups) == (0.5, 0.0, 1.0, 2)
    assert auc.sd == pytest.approx(np.std([1, 0], ddof=1))
    assert found["accuracy"].n_subgroups == 3
    assert metric_spread([parts["x"]])["auc"].sd is None
    assert "auc" not in metric_spread([parts["z"]])
