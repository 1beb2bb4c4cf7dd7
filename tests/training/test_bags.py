"""Labels of bags teach a linear head about slices; with labels of slices it is the usual one."""

import numpy as np
import pytest

from spinefrac.evaluation.ranking import roc_auc
from spinefrac.training.bags import NO_BAG, Units, fit_bags
from spinefrac.training.frozen.logistic_head import Block, fit_head

SCANS, SLICES, SIZE = 60, 10, 6


@pytest.fixture(scope="module")
def scans():
    """Features (n, SIZE), labels of slices and of bags, and bags: 4 slices of every other scan."""
    rng = np.random.default_rng(2)
    true = np.zeros((SCANS, SLICES), np.int64)
    for scan in range(0, SCANS, 2):
        first = rng.integers(SLICES - 3)
        true[scan, first : first + 4] = 1
    features = rng.normal(size=(SCANS * SLICES, SIZE))
    features[:, 3] += 3 * true.ravel()
    bags = make_bags(np.repeat(range(SCANS), SLICES))
    return features, true.ravel(), np.repeat(true.max(axis=1), SLICES), bags


def make_bags(numbers) -> np.ndarray:
    """Return bags of slices that lie in the order of their scans."""
    return np.stack([numbers, np.arange(len(numbers))], axis=1).astype(np.int64)


def test_units_are_bags_and_slices_with_their_own_label():
    labels, bags = np.array([1, 1, 0, 1, 0, 0]), make_bags([7, 7, NO_BAG, NO_BAG, 3, 3])
    units = Units.collect(labels, bags)
    assert units.own.tolist() == [2, 3]
    assert [rows.tolist() for rows in units.bags] == [[4, 5], [0, 1]]
    assert units.labels.tolist() == [0, 1, 0, 1]
    logits = np.array([1.0, 2.0, -1.0, 4.0, 0.0, 3.0])
    assert units.pool(logits).tolist() == [-1.0, 4.0, 1.5, 1.5]
    alone = Units.collect(labels, None)
    assert alone.pool(logits).tolist() == logits.tolist()


def test_the_logit_of_a_bag_is_that_of_its_best_three_neighbours():
    bags = make_bags([0] * 5)
    units = Units.collect(np.ones(5, np.int64), bags)
    assert units.pool(np.array([5.0, -9.0, 1.0, 3.0, 2.0])).tolist() == [2.0]
    bags[:, 1] = [4, 1, 3, 0, 2]  # rows in another order than the slices: 3, -9, 2, 1, 5
    units = Units.collect(np.ones(5, np.int64), bags)
    assert units.pool(np.array([5.0, -9.0, 1.0, 3.0, 2.0])) == pytest.approx([8 / 3])


def test_the_gradient_is_that_of_the_loss():
    rng = np.random.default_rng(0)
    units = Units.collect(np.repeat([1, 0, 1], 6), make_bags(np.repeat([0, 1, NO_BAG], 6)))
    weights, logits = rng.uniform(0.5, 2, len(units.labels)), rng.normal(size=18)
    _, gradient = units.compute_loss(logits, weights)
    for row in range(18):
        step = np.eye(18)[row] * 1e-5
        slope = (
            units.compute_loss(logits + step, weights)[0]
            - units.compute_loss(logits - step, weights)[0]
        ) / 2e-5
        assert gradient[row] == pytest.approx(slope, abs=1e-6)


def test_units_of_single_slices_are_fitted_as_scikit_learn_does(scans):
    from sklearn.linear_model import LogisticRegression

    features, true, _, _ = scans
    kernel, bias = fit_bags(features, Units.collect(true, None), np.ones(len(true)))
    expected = LogisticRegression().fit(features, true)
    np.testing.assert_allclose(kernel, expected.coef_[0], atol=5e-3)
    assert bias == pytest.approx(expected.intercept_[0], abs=5e-3)


def test_labels_of_scans_teach_which_slices_are_fractured(scans):
    features, true, labels, bags = scans
    groups = np.array([f"P{number:03}" for number in bags[:, 0]])
    given = (features[None], labels, groups, [Block("a", SIZE)])
    weak, naive = fit_head(*given, bags=bags), fit_head(*given)
    found, without = (roc_auc(true, head.predict(features)) for head in (weak, naive))
    assert found > 0.97 > 0.9
    assert found > without  # which took every slice of a fractured scan for a fracture
    # Calibrated enough for slices: most of a fractured scan has none.
    assert (weak.predict(features)[(labels == 1) & (true == 0)] < 0).mean() > 0.8
    assert (naive.predict(features)[(labels == 1) & (true == 0)] < 0).mean() < 0.8


def test_labels_of_slices_are_used_where_there_are_some(scans):
    features, true, labels, bags = scans
    groups = np.array([f"P{number:03}" for number in bags[:, 0]])
    known = bags[:, 0] < SCANS // 3
    mixed = fit_head(
        features[None],
        np.where(known, true, labels),
        groups,
        [Block("a", SIZE)],
        bags=make_bags(np.where(known, NO_BAG, bags[:, 0])),
    )
    assert roc_auc(true, mixed.predict(features)) > 0.97
    strong = fit_head(features[None], true, groups, [Block("a", SIZE)])
    nothing = make_bags(np.full(len(true), NO_BAG))
    same = fit_head(features[None], true, groups, [Block("a", SIZE)], bags=nothing)
    assert np.array_equal(strong.kernel, same.kernel)


def test_variants_of_the_slices_do_not_change_what_a_bag_weighs(scans):
    features, _, labels, bags = scans
    groups = np.array([f"P{number:03}" for number in bags[:, 0]])
    once = fit_head(features[None], labels, groups, [Block("a", SIZE)], bags=bags)
    thrice = fit_head(
        np.repeat(features[None], 3, axis=0),
        labels,
        groups,
        [Block("a", SIZE)],
        bags=bags,
        strengths=once.strengths,
    )
    np.testing.assert_allclose(once.kernel, thrice.kernel, atol=2e-3)
