"""The AUC from pairs is that of scikit-learn, and that of the resampled slices."""

import doctest

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from spinefrac.evaluation import ranking
from spinefrac.evaluation.ranking import PairRanking, roc_auc


def test_the_example_holds():
    assert doctest.testmod(ranking).failed == 0


@pytest.mark.parametrize("seed", range(8))
def test_it_is_the_auc_of_scikit_learn_with_ties(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 80)
    scores = rng.integers(0, 2 + 3 * seed, 80) - 4.0  # from many ties to few, negative as logits
    assert roc_auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_hanley_and_mcneil_1982():
    """Their table I: 51 abnormal and 58 normal CT images, five ratings; the area is 0.893."""
    normal, abnormal = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
    ratings = np.repeat(np.tile(np.arange(1, 6), 2), normal + abnormal)
    labels = np.repeat([0, 1], [sum(normal), sum(abnormal)])
    assert roc_auc(labels, ratings) == pytest.approx(0.893, abs=5e-4)


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1], []])
def test_one_class_has_none(labels):
    assert roc_auc(labels, np.arange(len(labels))) is None


def test_weights_are_slices_taken_several_times():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 60), rng.integers(0, 9, 60).astype(float)
    groups = np.repeat(np.arange(12), 5)
    weights = rng.integers(0, 3, (12, 4)).astype(float)
    ordered, pairs = PairRanking(labels, scores, groups)(weights)
    for column in range(4):
        rows = np.repeat(np.arange(60), weights[groups, column].astype(int))
        assert ordered[column] / pairs[column] == pytest.approx(
            roc_auc_score(labels[rows], scores[rows])
        )
