"""A model against the audit's baselines: fair within folds, paired over patients."""

import msgspec
import numpy as np
import pytest

from spinefrac.evaluation.baseline_comparison import (
    BaselineComparison,
    compare_with_baselines,
    describe_comparison,
    is_no_better,
    to_json_entry,
)
from spinefrac.evaluation.ranking import roc_auc


def made(strength: float, seed: int = 0):
    """40 patients of 6 slices in 4 folds: labels, folds, groups, and scores of that strength."""
    rng = np.random.default_rng(seed)
    labels = np.arange(240) % 2
    patients = np.arange(240) // 6
    score = strength * labels + rng.normal(0, 1, 240)
    return labels, patients % 4, np.array([f"P{p}" for p in patients]), score


def test_the_auc_is_over_pairs_of_one_fold() -> None:
    labels, folds, groups, score = made(1.0)
    shifted = score + 10.0 * folds  # models of different folds start elsewhere
    (found,) = compare_with_baselines(labels, shifted, {"properties": shifted}, folds, groups)
    by_fold = [roc_auc(labels[folds == f], score[folds == f]) for f in range(4)]
    assert found.model_auc == pytest.approx(np.mean(by_fold))  # folds of equal size
    assert found.difference == 0 and not found.is_beaten


def test_a_model_that_is_worse_is_told_and_the_numbers_with_it() -> None:
    labels, folds, groups, strong = made(2.0)
    weak = made(0.3, seed=1)[3]
    found = compare_with_baselines(
        labels, weak, {"thumbnails": weak - 0.1 * labels, "properties": strong}, folds, groups
    )
    assert [c.baseline for c in found] == ["properties", "thumbnails"] and is_no_better(found)
    low, high = found[0].interval
    assert low < found[0].difference < high < 0
    said = describe_comparison(found)
    assert said.startswith("Worse than a trivial model") and f"{found[0].auc:.3f}" in said
    assert to_json_entry(found)["no_better"] is True and to_json_entry(found)["notice"] == said


def test_a_model_that_is_better_beats_every_baseline() -> None:
    labels, folds, groups, strong = made(3.0)
    weak, none = made(0.5, seed=1)[3], made(0.0, seed=2)[3]
    found = compare_with_baselines(
        labels, strong, {"thumbnails": none, "properties": weak}, folds, groups
    )
    assert not is_no_better(found) and all(c.is_beaten for c in found)
    assert describe_comparison(found).startswith("Better than the trivial models")


def test_the_pairing_makes_the_interval_of_alike_models_narrow() -> None:
    """Two models that err on the same patients differ by less than either is uncertain."""
    labels, folds, groups, score = made(1.0)
    other = made(1.0, seed=5)[3]
    close = score + np.random.default_rng(3).normal(0, 0.02, len(score))
    (near,) = compare_with_baselines(labels, score, {"properties": close}, folds, groups)
    (far,) = compare_with_baselines(labels, score, {"properties": other}, folds, groups)
    assert np.ptp(near.interval) < 0.2 * np.ptp(far.interval)


def test_nothing_is_said_where_no_fold_holds_both_classes() -> None:
    labels, _, groups, score = made(1.0)
    assert compare_with_baselines(labels, score, {"properties": score}, labels, groups) == ()
    assert describe_comparison(()) == "" and not is_no_better(()) and to_json_entry(()) is None


def test_a_difference_that_chance_explains_is_not_called_worse() -> None:
    found = (BaselineComparison("thumbnails", 0.69, 0.57, (-0.9, 0.7)),)
    assert describe_comparison(found).startswith("Not shown to be better than a trivial model")


def test_too_few_groups_for_an_interval_are_no_proof() -> None:
    found = (BaselineComparison("properties", 0.5, 0.9, None),)
    assert is_no_better(found) and "too few groups" in describe_comparison(found)
    assert msgspec.json.decode(msgspec.json.encode(found[0]), type=BaselineComparison) == found[0]
