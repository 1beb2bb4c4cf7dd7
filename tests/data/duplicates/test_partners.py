"""Of the slices that an altered copy agrees with, neighbours of its slice give way."""

import numpy as np

from spinefrac.data.duplicates.candidates import Candidates
from spinefrac.data.duplicates.partners import choose_partners

ALIKE = np.full((6, 2), (3.0, 90.0), np.float32)


def choose(pairs, degrees, agreement, *, mirrored=(), altered=None, looks=ALIKE) -> list[bool]:
    count = len(pairs)
    found = Candidates(
        np.array(pairs),
        np.array(degrees, np.float32),
        np.array([row in mirrored for row in range(count)], bool),
        np.ones(count, bool) if altered is None else np.array(altered, bool),
        np.zeros(count, bool),
    )
    return choose_partners(found, np.array(agreement, np.float32), looks).tolist()


def test_of_neighbours_that_lie_in_the_same_way_the_best_is_chosen():
    pairs = [(0, 3), (1, 3), (2, 3)]
    assert choose(pairs, [20, 20.5, 19], [0.7, 0.75, 0.5]) == [False, True, False]
    assert choose([(0, 1), (0, 2)], [179.5, -179.5], [0.7, 0.8]) == [False, True]
    assert choose([(0, 1), (0, 2)], [20, 20], [0.79, 0.8]) == [True, True]


def test_seen_from_the_second_slice_a_rotation_is_the_opposite_one():
    pairs = [(0, 2), (2, 3)]
    assert choose(pairs, [20, -20], [0.7, 0.8]) == [False, True]
    assert choose(pairs, [20, 20], [0.7, 0.8]) == [True, True]
    assert choose(pairs, [20, 20], [0.7, 0.8], mirrored=(0, 1)) == [False, True]
    assert choose(pairs, [20, -20], [0.7, 0.8], mirrored=(1,)) == [True, True]


def test_sets_with_copies_of_their_own_join_where_they_agree_as_well_as_within():
    pairs, degrees = [(0, 1), (2, 3), (1, 3)], [20, 50, 90]
    assert choose(pairs, degrees, [0.9, 0.8, 0.7]) == [True, True, False]
    assert choose(pairs, degrees, [0.9, 0.8, 0.75]) == [True, True, True]
    assert choose([(0, 1), (1, 2)], [20, 90], [0.9, 0.4]) == [True, True]


def test_sharpened_copies_join_although_they_agree_better_with_each_other():
    sharpened = ALIKE.copy()
    sharpened[2:4] = 9.0, 90.0
    pairs, degrees = [(0, 1), (2, 3), (1, 3)], [20, 50, 90]
    assert choose(pairs, degrees, [0.9, 0.8, 0.4], looks=sharpened) == [True, True, True]


def test_pairs_that_are_not_altered_stay():
    pairs, altered = [(0, 1), (1, 2), (2, 3)], [False, False, True]
    assert choose(pairs, [0, 0, 9], [0.9, 0.5, 0.4], altered=altered) == [True, True, True]
    assert choose(np.empty((0, 2), np.int64), [], []) == []
