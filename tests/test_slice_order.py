"""The order of slices: position, number, name, each only as far as it is known."""

import random

import pytest

from spinefrac.slice_order import SlicePlace, natural_sort_key, order_slices


def test_natural_order() -> None:
    names = ["10", "9a", "9", "a2", "a10", "A3"]
    assert sorted(names, key=natural_sort_key) == ["9", "9a", "10", "a2", "A3", "a10"]


@pytest.mark.parametrize("name", ["", "٣.dcm", "²", "1" * 5000, "a\x00b", "\udcff9"])
def test_any_name_can_be_compared(name: str) -> None:
    assert len(sorted([name, "2.dcm", "x", "10"], key=natural_sort_key)) == 4


def test_names_that_differ_in_zeros_or_case_have_one_order() -> None:
    names = ["1.dcm", "01.dcm", "A1.dcm", "a1.dcm"]
    orders = {
        tuple(sorted(random.Random(seed).sample(names, 4), key=natural_sort_key))
        for seed in range(9)
    }
    assert len(orders) == 1


def test_a_position_precedes_a_number_and_a_number_a_name() -> None:
    places = [
        SlicePlace("1.dcm", position_mm=30.0, number=1),
        SlicePlace("2.dcm", position_mm=-5.0, number=3),
        SlicePlace("3.dcm", position_mm=10.0, number=2),
    ]
    assert order_slices(places) == [1, 2, 0]
    unplaced = [SlicePlace(place.name, number=place.number) for place in places]
    assert order_slices(unplaced) == [0, 2, 1]
    assert order_slices([SlicePlace(name) for name in ("10", "9", "1")]) == [2, 1, 0]


def test_positions_count_only_where_every_slice_has_one() -> None:
    places = [
        SlicePlace("a", position_mm=5.0, number=3),
        SlicePlace("b", number=2),
        SlicePlace("c", position_mm=-5.0, number=1),
    ]
    assert order_slices(places) == [2, 1, 0]


def test_slices_at_one_position_go_by_number_frame_and_name() -> None:
    places = [
        SlicePlace("10.dcm", position_mm=1.0004),
        SlicePlace("9.dcm", position_mm=1.0, frame=1),
        SlicePlace("9.dcm", position_mm=1.0001),
        SlicePlace("8.dcm", position_mm=1.0002, number=0),
    ]
    assert order_slices(places) == [3, 2, 0, 1]
    assert order_slices([]) == []
