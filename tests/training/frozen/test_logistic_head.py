"""The fitted head: it separates, folds back exactly, and departs from a head that knows."""

import numpy as np
import pytest

from spinefrac.errors import Cancelled
from spinefrac.evaluation.ranking import roc_auc
from spinefrac.training.frozen import logistic_head
from spinefrac.training.frozen.logistic_head import Block, fit_head

ROWS, SIZE = 240, 12


@pytest.fixture(scope="module")
def problem():
    """Features (1, ROWS, SIZE), of which two tell the label, labels and groups of 8 rows."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, ROWS)
    features = rng.normal(3, 2, (1, ROWS, SIZE))
    features[0, :, 2] += 2 * labels
    features[0, :, 9] -= 3 * labels
    features[0, :, 11] = 7.0  # constant: nothing to standardise
    groups = np.array([f"group-{row // 8:03}" for row in range(ROWS)])
    return features, labels, groups


def test_the_head_finds_what_tells_the_label_in_either_backbone(problem):
    features, labels, groups = problem
    head = fit_head(features, labels, groups, [Block("a", 6), Block("b", 6)])
    assert roc_auc(labels, head.predict(features[0])) > 0.9
    assert head.kernel[2] > 0 > head.kernel[9] and head.kernel[11] == 0
    assert set(head.strengths) == {"a", "b"}
    assert all(strength in logistic_head.STRENGTHS for strength in head.strengths.values())


def test_the_kernel_is_that_of_scikit_learn_on_standardised_features(problem):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    features, labels, groups = problem
    own = features[:, :, :11]
    head = fit_head(own, labels, groups, [Block("a", 11)], class_weights=False)
    scaled = StandardScaler().fit_transform(own[0])
    expected = LogisticRegression(C=head.strengths["a"] ** 2).fit(scaled, labels)
    np.testing.assert_allclose(head.predict(own[0]), expected.decision_function(scaled), atol=0.02)


def test_a_head_that_knows_is_kept_where_the_rows_say_nothing_new():
    rng = np.random.default_rng(1)
    labels = np.arange(60) % 2
    known = rng.normal(size=SIZE)
    features = rng.normal(size=(1, 60, SIZE)) + 0.4 * labels[:, None] * np.sign(known)
    groups = np.array([str(row // 4) for row in range(60)])
    head = fit_head(features, labels, groups, [Block("a", SIZE, known)])
    cosine = head.kernel @ known / np.linalg.norm(head.kernel) / np.linalg.norm(known)
    alone = fit_head(features, labels, groups, [Block("a", SIZE)])
    assert cosine > 0.9
    assert cosine > alone.kernel @ known / np.linalg.norm(alone.kernel) / np.linalg.norm(known)


def test_variants_of_a_slice_count_as_one_slice(problem):
    features, labels, groups = problem
    once = fit_head(features, labels, groups, [Block("a", SIZE)])
    thrice = fit_head(np.repeat(features, 3, axis=0), labels, groups, [Block("a", SIZE)])
    np.testing.assert_allclose(once.kernel, thrice.kernel, atol=1e-2)


def test_class_weights_move_the_bias(problem):
    features, labels, groups = problem
    rows = np.flatnonzero((labels == 0) | (np.arange(ROWS) % 16 < 8))
    given = features[:, rows], labels[rows], groups[rows], [Block("a", SIZE)]
    weighted, plain = fit_head(*given), fit_head(*given, class_weights=False)
    assert weighted.predict(features[0]).mean() > plain.predict(features[0]).mean()


def test_two_groups_are_enough():
    labels = np.array([0, 1, 0, 1])
    features = np.random.default_rng(0).normal(size=(1, 4, 3))
    head = fit_head(features, labels, np.array(["a", "a", "b", "b"]), [Block("a", 3)])
    assert np.isfinite(head.kernel).all()


def test_it_can_be_cancelled(problem):
    features, labels, groups = problem
    with pytest.raises(Cancelled):
        fit_head(features, labels, groups, [Block("a", SIZE)], is_cancelled=lambda: True)
