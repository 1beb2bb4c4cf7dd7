"""Folds keep groups whole and hold both classes, or say what would work."""

import re
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from spinefrac.data.splits import assign_folds, check_folds, count_folds, select_holdout
from spinefrac.errors import DatasetError

#: Data sets of a few groups: for each, how many normal and fracture slices it has.
COUNTS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(any), min_size=1, max_size=12
).filter(lambda counts: all(sum(column) for column in zip(*counts, strict=True)))


def expand(counts) -> tuple[np.ndarray, np.ndarray]:
    labels = [label for pair in counts for label in (0, 1) for _ in range(pair[label])]
    groups = [f"g{i}" for i, pair in enumerate(counts) for _ in range(sum(pair))]
    return np.array(labels), np.array(groups)


def assert_sound(labels, groups, assigned, folds) -> None:
    assert assigned.dtype == np.int64 and set(assigned) == set(range(folds))
    for group in set(groups):
        assert len(set(assigned[groups == group])) == 1
    for fold in range(folds):
        assert set(labels[assigned == fold]) == {0, 1}


@settings(deadline=None, max_examples=60)
@given(COUNTS, st.integers(2, 8), st.integers(0, 1000))
def test_folds_are_sound_or_the_number_named_instead_works(counts, folds, seed):
    labels, groups = expand(counts)
    try:
        assigned = assign_folds(labels, groups, folds, seed)
    except DatasetError as error:
        named = re.search(r"Use (\d+) folds, the most that works", str(error))
        if named is None:
            assert "No number of folds works" in str(error)
            for number in range(2, folds + 1):
                with pytest.raises(DatasetError):
                    assign_folds(labels, groups, number, seed)
            return
        folds = int(named.group(1))
        assigned = assign_folds(labels, groups, folds, seed)
    assert_sound(labels, groups, assigned, folds)


def any_holdout_works(labels, groups) -> bool:
    """Whether both classes can be on both sides, with one group or two held out."""
    names = sorted(set(groups))
    for held_names in [*combinations(names, 1), *combinations(names, 2)]:
        held = np.isin(groups, held_names)
        if set(labels[held]) == set(labels[~held]) == {0, 1}:
            return True
    return False


@settings(deadline=None, max_examples=60)
@given(COUNTS, st.floats(0.05, 0.5), st.integers(0, 1000))
def test_a_holdout_is_whole_groups_of_both_classes_or_refused(counts, fraction, seed):
    labels, groups = expand(counts)
    try:
        held = select_holdout(labels, groups, fraction, seed)
    except DatasetError as error:
        assert "No group-wise hold-out" in str(error)
        assert not any_holdout_works(labels, groups)
        return
    assert held.dtype == bool and set(labels[held]) == set(labels[~held]) == {0, 1}
    assert not set(groups[held]) & set(groups[~held])


def test_twenty_even_patients_in_five_folds_are_stratified_and_repeatable():
    labels, groups = expand([(6, 2)] * 10 + [(8, 0)] * 10)
    assigned = assign_folds(labels, groups, 5, seed=7)
    assert_sound(labels, groups, assigned, 5)
    assert [int(labels[assigned == fold].sum()) for fold in range(5)] == [4] * 5
    assert np.array_equal(assigned, assign_folds(labels, groups, 5, seed=7))
    assert not np.array_equal(assigned, assign_folds(labels, groups, 5, seed=8))


def test_two_series_with_both_classes_make_two_folds_with_any_seed():
    labels, groups = expand([(20, 30), (28, 14)])
    for seed in range(20):
        assert_sound(labels, groups, assign_folds(labels, groups, 2, seed), 2)
    with pytest.raises(DatasetError, match="Use 2 folds, the most that works"):
        assign_folds(labels, groups, 5, 0)


def test_an_unlucky_shuffle_is_not_the_last_word():
    labels, groups = expand([(3, 4), (5, 0), (0, 4), (5, 1), (1, 5)])
    greedy = StratifiedGroupKFold(3, shuffle=True, random_state=0).split(labels, labels, groups)
    assert any(len(set(labels[held])) < 2 for _, held in greedy)
    assert_sound(labels, groups, assign_folds(labels, groups, 3, seed=0), 3)


@pytest.mark.parametrize(
    ("counts", "folds", "message"),
    [
        ([(5, 5)], 2, "1 groups, 1 with a fracture slice and 1 with a normal one. No number"),
        ([(5, 0), (5, 0), (0, 9)], 2, "3 groups, 1 with a fracture slice.*No number of folds"),
        ([(5, 1)] * 3, 4, "Use 3 folds, the most that works"),
        ([(5, 1)] * 3, 1, "Expected 2 to 50 folds, got 1"),
    ],
)
def test_folds_that_cannot_be(counts, folds, message):
    with pytest.raises(DatasetError, match=message):
        assign_folds(*expand(counts), folds, 0)


def test_a_holdout_is_about_as_large_as_asked():
    labels, groups = expand([(6, 4)] * 20)
    assert select_holdout(labels, groups, 0.2, 3).mean() == pytest.approx(0.2)
    assert select_holdout(labels, groups, 0.1, 3).mean() == pytest.approx(0.1)
    with pytest.raises(DatasetError, match="fraction"):
        select_holdout(labels, groups, 0.9, 3)


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(DatasetError, match="one group a label"):
        assign_folds([0, 1], ["a"], 2, 0)
    with pytest.raises(DatasetError, match="both classes"):
        assign_folds([1, 1], ["a", "b"], 2, 0)


@settings(max_examples=60, deadline=None)
@given(COUNTS, st.integers(2, 6), st.integers(0, 9))
def test_counts_alone_tell_whether_folds_can_be(counts, folds, seed):
    labels, groups = expand(counts)
    rows = [(f"g{i}", fracture, normal) for i, (normal, fracture) in enumerate(counts)]

    def said(work) -> str:
        try:
            work()
        except DatasetError as error:
            return str(error)
        return ""

    assert said(lambda: check_folds(rows[::-1], folds, seed)) == said(
        lambda: assign_folds(labels, groups, folds, seed)
    )


@pytest.mark.parametrize(("n_groups", "expected"), [(12, 5), (5, 5), (4, 4), (2, 2)])
def test_folds_that_nobody_names_are_five_or_the_most_that_work(n_groups, expected):
    groups = np.repeat([f"g{i}" for i in range(n_groups)], 4)
    labels = np.tile([0, 0, 1, 1], n_groups)
    folds = assign_folds(labels, groups, None, 0)
    assert count_folds(folds) == expected
    assert all(set(labels[folds == fold]) == {0, 1} for fold in range(expected))
    rows = [(f"g{i}", 2, 2) for i in range(n_groups)]
    assert check_folds(rows, None, 0) == expected
    with pytest.raises(DatasetError, match=f"Use {n_groups} folds, the most that works"):
        check_folds(rows, n_groups + 1, 0)


def test_one_group_a_class_cannot_be_folded_by_itself():
    with pytest.raises(DatasetError, match=r"5 folds cannot each hold.*No number of folds works"):
        assign_folds([0, 1], ["a", "b"], None, 0)
