"""One geometry and one acquisition a stack, whatever rounding did to the header."""

from dataclasses import replace

import numpy as np
import pytest

from spinefrac.imaging.geometry import SliceGeometry
from spinefrac.imaging.series_splitting import compute_positions_mm, split_series

AXIAL = SliceGeometry(
    position_mm=(-250, -250, 0),
    row_cosines=(1, 0, 0),
    column_cosines=(0, 1, 0),
    spacing_mm=(0.488281, 0.488281),
    rows=512,
    columns=512,
)


def at(z: float, *acquisition: str, **changes: object) -> SliceGeometry:
    return replace(AXIAL, position_mm=(-250, -250, z), acquisition=acquisition, **changes)


def sizes(geometries: list[SliceGeometry]) -> list[list[int]]:
    return [[len(stack.rows) for stack in stacks] for stacks in split_series(geometries)]


@pytest.mark.parametrize(
    "nearly",
    [
        {"spacing_mm": (0.4882812, 0.48828125)},
        {"spacing_mm": (0.4884, 0.4884)},
        {"row_cosines": (0.999995, 0.003, -0.0005), "column_cosines": (-0.003, 0.999995, 0.0)},
    ],
)
def test_rounding_does_not_split_a_series(nearly):
    # Every second slice: the neighbours of one value may be on both sides of any rounding.
    assert sizes([at(z, **(nearly if z % 2 else {})) for z in range(6)]) == [[6]]


@pytest.mark.parametrize(
    "other",
    [
        {"spacing_mm": (0.6, 0.6)},
        {"spacing_mm": None},
        {"rows": 256},
        {"is_localizer": True},
        {"row_cosines": (0, 1, 0), "column_cosines": (0, 0, -1)},
        {"row_cosines": None, "column_cosines": None},
    ],
)
def test_another_geometry_is_another_series(other):
    assert sizes([*map(at, range(4)), at(9, **other), at(10, **other)]) == [[4], [2]]


def test_positions_are_along_one_normal():
    tilted = {"row_cosines": (1.0, 0.0, 0.002), "column_cosines": (0.0, 1.0, 0.002)}
    positions = compute_positions_mm([at(z, **(tilted if z % 2 else {})) for z in range(4)])
    np.testing.assert_allclose(positions, range(4))
    assert compute_positions_mm([at(0), replace(AXIAL, position_mm=None)]) is None


@pytest.mark.parametrize(
    ("index", "words"), [(0, "acquisition 2"), (1, "phase 2"), (2, "kernel 2"), (3, "kV 2")]
)
def test_acquisitions_at_the_same_place_are_set_apart(index, words):
    values = [["", "", "", "", ""] for _ in range(10)]
    for row, value in enumerate(values):
        value[index] = str(1 + row % 2)
    (stacks,) = split_series([at(row // 2, *value) for row, value in enumerate(values)])
    assert [len(stack.rows) for stack in stacks] == [5, 5]
    assert stacks[1].acquisition == words and stacks[1].rows == (1, 3, 5, 7, 9)


def test_phases_between_each_other_are_set_apart():
    (stacks,) = split_series([at(z / 2, str(z % 2)) for z in range(8)])
    assert [len(stack.rows) for stack in stacks] == [4, 4]


def test_reconstructions_of_acquisitions_are_set_apart_by_both():
    every = [at(z, acq, "", kernel) for acq in "12" for kernel in "AB" for z in range(3)]
    (stacks,) = split_series(every)
    assert [stack.acquisition for stack in stacks] == [
        f"acquisition {acq}, kernel {kernel}" for acq in "12" for kernel in "AB"
    ]


def test_a_table_that_moves_step_by_step_is_one_acquisition():
    assert sizes([at(z, str(z // 4)) for z in range(12)]) == [[12]]
    assert sizes([at(z, str(z)) for z in range(5)]) == [[5]]
