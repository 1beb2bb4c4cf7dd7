"""Labels of RSNA 2022 slices from the tables of studies and boxes."""

import math

import pytest

from spinefrac.data.label_tables.rsna import (
    OUTSIDE_BOXES_REASON,
    label_rsna_slice,
    read_rsna_tables,
)
from spinefrac.errors import DatasetError


def write_tables(folder, studies="1.2,1\n1.3,0\n", boxes="1.2,5,10,20,30,40\n"):
    (folder / "Train.csv").write_text(f"StudyInstanceUID,patient_overall\n{studies}")
    head = "StudyInstanceUID,slice_number,x,y,width,height\n"
    (folder / "train_bounding_boxes.csv").write_text(head + boxes)
    return folder


def test_studies_and_boxes(tmp_path):
    fractured, (box,) = read_rsna_tables(write_tables(tmp_path))
    assert fractured == {"1.2": True, "1.3": False}
    assert (box.study, box.slice, box.x, box.y, box.width, box.height) == ("1.2", 5, 10, 20, 30, 40)


def test_a_box_without_edges_still_labels(tmp_path):
    _, (box,) = read_rsna_tables(write_tables(tmp_path, boxes="1.2,5.0,,,,\n"))
    assert box.slice == 5 and math.isnan(box.x)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"studies": "1.2,maybe\n"}, "Train.csv line 2: patient_overall is 'maybe'"),
        ({"boxes": "1.2,x,1,1,1,1\n"}, "line 2: slice_number is 'x'"),
    ],
)
def test_wrong_numbers_are_named(tmp_path, tables, message):
    with pytest.raises(DatasetError, match=message):
        read_rsna_tables(write_tables(tmp_path, **tables))


@pytest.mark.parametrize("missing", ["Train.csv", "train_bounding_boxes.csv"])
def test_missing_tables_are_named(tmp_path, missing):
    (write_tables(tmp_path) / missing).unlink()
    with pytest.raises(DatasetError, match=missing.casefold()):
        read_rsna_tables(tmp_path)


@pytest.mark.parametrize(
    ("fractured", "stem", "label"),
    [
        (True, "5", 1),
        (True, "6", OUTSIDE_BOXES_REASON),
        (False, "6", 0),
        (False, "5", "with a fracture box in a study that train.csv calls free of fractures"),
        (None, "5", "of studies that train.csv does not name"),
        (True, "five", "whose file name is not a slice number"),
    ],
)
def test_labels(fractured, stem, label):
    assert label_rsna_slice(fractured, "1.2", stem, {("1.2", 5)}) == label
