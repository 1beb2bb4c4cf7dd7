"""Baselines: linear models in random and in grouped folds, and their AUC."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from spinefrac.audit import baselines

GENERATOR = np.random.default_rng(0)
LABELS = np.repeat([0, 1], 60)
GROUPS = np.array([f"P{row // 6:02d}" for row in range(120)])
FEATURES = GENERATOR.normal(size=(120, 5)) + LABELS[:, None] * [1.0, 0.5, 0, 0, 0]


def test_random_folds_are_stratified_and_ignore_groups():
    folds = baselines.naive_folds(LABELS)
    assert np.ptp(np.bincount(folds[LABELS == 1])) <= 1 >= np.ptp(np.bincount(folds[LABELS == 0]))
    assert any(len(np.unique(folds[group == GROUPS])) > 1 for group in np.unique(GROUPS))


@pytest.mark.parametrize("groups", [GROUPS, np.array([f"P{row // 20}" for row in range(120)])])
def test_grouped_folds_split_no_group(groups):
    folds = baselines.grouped_folds(LABELS, groups)
    assert len(np.unique(folds)) > 1
    assert all(len(np.unique(folds[group == groups])) == 1 for group in np.unique(groups))


def test_predictions_are_those_of_ridge_regression():
    """The same as scikit-learn's on standardised features, fold by fold."""
    folds = baselines.grouped_folds(LABELS, GROUPS)
    found = baselines.predict_out_of_fold(FEATURES, LABELS[:, None].astype(float), folds)[:, 0]
    for number in np.unique(folds):
        train, test = folds != number, folds == number
        mean, spread = FEATURES[train].mean(axis=0), FEATURES[train].std(axis=0)
        ridge = Ridge(baselines.RIDGE_ALPHA * train.sum())
        ridge.fit((FEATURES[train] - mean) / spread, LABELS[train])
        np.testing.assert_allclose(found[test], ridge.predict((FEATURES[test] - mean) / spread))


@pytest.mark.filterwarnings("error")
def test_one_fold_has_no_predictions():
    found = baselines.predict_out_of_fold(FEATURES, LABELS[:, None].astype(float), np.zeros(120))
    assert np.isnan(found).all()


def test_a_constant_feature_changes_nothing():
    folds = baselines.naive_folds(LABELS)
    targets = LABELS[:, None].astype(float)
    with_constant = np.column_stack([FEATURES, np.full(120, 7.0)])
    np.testing.assert_allclose(
        baselines.predict_out_of_fold(FEATURES, targets, folds),
        baselines.predict_out_of_fold(with_constant, targets, folds),
        atol=1e-9,
    )


def test_the_auc_of_one_fold_is_the_usual_one():
    scores = FEATURES[:, 0]
    found = baselines.score_baseline(LABELS, scores, np.zeros(120, dtype=int), GROUPS)
    assert found.auc == pytest.approx(roc_auc_score(LABELS, scores))
    assert found.ci[0] < found.auc < found.ci[1]
    assert found.within is None  # every group is of one class


def test_within_groups_only_slices_of_one_group_are_compared():
    labels = np.array([0, 1, 0, 1])
    groups = np.array(["a", "a", "b", "b"])
    scores = np.array([0.1, 0.2, 0.8, 0.9])
    found = baselines.score_baseline(labels, scores, np.zeros(4, dtype=int), groups, resamples=0)
    assert (found.auc, found.within) == (0.75, 1.0)


def test_one_class_has_no_auc():
    ones = np.ones(4, dtype=int)
    found = baselines.score_baseline(ones, np.arange(4.0), ones, np.array(list("abcd")))
    assert (found.auc, found.ci, found.within) == (None, None, None)
