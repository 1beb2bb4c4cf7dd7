"""Free-response curves against values worked out by hand."""

from spinefrac.evaluation.scans.free_response import compute_froc, find_marks
from tests.evaluation.scans.support import FRACTURED, NORMAL, make_slices


def test_marks_are_three_slices_apart():
    assert find_marks([0.1, 0.8, 0.9, 0.7, 0.2, 0.6]) == [2, 5]
    assert find_marks(FRACTURED[1]) == [3, 7, 0]
    assert find_marks([]) == []


def test_the_free_response_curve_by_hand():
    curve = compute_froc(make_slices(FRACTURED, NORMAL))
    assert curve is not None
    # From 0.8: the fracture. 0.6: one false mark on two scans. 0.5: another. 0.1: three more.
    assert curve.sensitivity.tolist() == [0, 1, 1, 1, 1]
    assert curve.false_alarms.tolist() == [0, 0, 0.5, 1.0, 2.5]


def test_two_fractures_of_a_scan_are_found_one_by_one():
    two = ([1, 1, 0, 0, 0, 0, 0, 1], [0.9, 0.1, 0.1, 0.1, 0.7, 0.1, 0.1, 0.4])
    curve = compute_froc(make_slices(two))
    assert curve is not None
    assert curve.sensitivity.tolist() == [0, 0.5, 0.5, 1]
    assert curve.false_alarms.tolist() == [0, 0, 1, 1]
