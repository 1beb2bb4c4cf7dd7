"""Findings on duplicates: across classes, across splits, by pixels and by name."""

import pytest

from spinefrac.data.duplicates.search import Duplicates
from tests.audit.test_findings import ITEMS, examine, find


def test_the_same_slice_in_both_classes():
    found = find(examine(ITEMS, Duplicates(exact=((0, 1), (2, 4)))), exact_duplicates=2)
    assert found["contradicting_duplicates"].count == 1
    assert found["contradicting_duplicates"].severity == "caution"
    assert found["contradicting_duplicates"].examples == ("0/P00.png", "1/P00.png")
    assert found["exact_duplicates"].message.startswith("2 files are exact duplicates of another")


def test_groups_in_two_splits():
    items = [(*item[:3], "train" if row else "test") for row, item in enumerate(ITEMS)]
    finding = find(examine(items))["crossing_splits"]
    assert (finding.count, finding.severity) == (1, "caution")
    assert finding.examples == ("0/P00.png", "1/P00.png")


def test_near_duplicates_without_rotated_ones():
    features = examine(ITEMS, Duplicates(near=((0, 2), (4, 6)), altered=((4, 6),)))
    finding = find(features, near_duplicates=2)["near_duplicates"]
    assert finding.count == 1 and finding.examples == ("0/P00.png", "0/P01.png")


@pytest.mark.parametrize(("count", "severity"), [(4, "ok"), (5, "caution")])
def test_augmented_copies(count, severity):
    finding = find(augmented_copies=count)["augmented_copies"]
    assert finding.severity == severity
    assert f"about {40 - count} different slices" in finding.message


def test_copies_across_splits_call_for_caution_and_others_may_stay():
    copies = Duplicates(near=((0, 2),), altered=((0, 2),))
    within = find(examine(ITEMS, copies), augmented_copies=1)["augmented_copies"]
    assert within.severity == "ok" and "You can delete them" in within.message
    items = [(*item[:3], "test" if row == 2 else "train") for row, item in enumerate(ITEMS)]
    across = find(examine(items, copies), augmented_copies=1)["augmented_copies"]
    assert across.severity == "caution" and "Of 1 copy, the slice or another" in across.message
    assert across.examples == (ITEMS[2][0],)


def test_near_duplicates_are_not_to_be_deleted():
    features = examine(ITEMS, Duplicates(near=((0, 2),)))
    finding = find(features, near_duplicates=1)["near_duplicates"]
    assert "nothing has to be deleted" in finding.message
