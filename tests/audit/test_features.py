"""From an examined folder to arrays: folds, sets of copies, counts."""

import numpy as np

from spinefrac.audit.features import count_by_class, rows_by_value
from spinefrac.data.duplicates.search import Duplicates
from tests.audit.test_findings import ITEMS, examine


def test_rows_by_value():
    found = [rows.tolist() for rows in rows_by_value(np.array(["b", "a", "b", "c"]))]
    assert found == [[1], [0, 2], [3]]


def test_counts_by_class_are_sorted_and_leave_out_empty_values():
    counts = count_by_class(["png", "", "dicom", "dicom"], np.array([1, 1, 0, 1]))
    assert list(counts) == ["dicom", "png"]
    assert counts["dicom"] == {"fracture": 1, "normal": 1}


def test_copies_by_name_and_by_pixels_share_a_set():
    items = [
        ("fracture/P1_03.png", 1, "P1", ""),
        ("fracture/P1_03-rotated3.png", 1, "P1", ""),
        ("fracture/x.png", 1, "x", ""),
        ("normal/P2_01.png", 0, "P2", ""),
    ]
    features = examine(items, Duplicates(near=((0, 2),), altered=((0, 2),)))
    assert features.copies_by_name == (1,)
    assert features.copy_sets.tolist() == [0, 0, 0, 3]
    assert 1 in features.augmented_copies and 0 not in features.augmented_copies
    kinds = {entry.kind: entry.paths for entry in features.example_copy_sets()}
    assert kinds["named"] == ("fracture/P1_03.png", "fracture/P1_03-rotated3.png")
    assert kinds["turned"] == ("fracture/P1_03.png", "fracture/x.png")


def test_examples_are_of_both_classes_and_of_different_groups():
    features = examine(ITEMS)
    paths = features.example_paths()
    assert len(paths) == len(set(paths)) == 8
    assert {path.split("/")[0] for path in paths} == {"0", "1"}
    assert features.first_paths([3, 3, 1]) == ("1/P01.png", "1/P00.png")


def test_constant_features_are_left_out():
    features = examine(ITEMS)
    assert features.features == {}
    assert features.feature_matrix.shape == (len(ITEMS), 1)
