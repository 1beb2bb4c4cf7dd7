"""Boxes around fractures: a table of one's own, or that of RSNA 2022."""

import pytest

from spinefrac.data.boxes import read_boxes
from spinefrac.errors import DatasetError
from tests.data.label_tables.test_rsna import write_tables


def test_several_boxes_of_a_slice(tmp_path):
    (tmp_path / "boxes.csv").write_text(
        "path,x,y,width,height\nfracture/a.png,1,2,3,4\nfracture/a.png,5,6,7,8.5\n"
    )
    assert read_boxes(tmp_path) == {"fracture/a.png": ((1, 2, 3, 4), (5, 6, 7, 8.5))}


def test_a_german_spreadsheet_and_another_unicode_form(tmp_path):
    (tmp_path / "Mu\u0308ller.png").write_bytes(b"x")
    (tmp_path / "boxes.csv").write_text("path;x;y;width;height\nM\u00fcller.png;1,5;2;3;4\n")
    assert read_boxes(tmp_path) == {"Mu\u0308ller.png": ((1.5, 2, 3, 4),)}


def test_boxes_of_a_download(tmp_path):
    (write_tables(tmp_path) / "train_images").mkdir()
    assert read_boxes(tmp_path) == {"train_images/1.2/5.dcm": ((10, 20, 30, 40),)}


def test_no_table_is_no_box(tmp_path):
    assert read_boxes(tmp_path) == {}


def test_a_wrong_number_is_named(tmp_path):
    (tmp_path / "boxes.csv").write_text("path,x,y,width,height\na.png,1,2,three,4\n")
    with pytest.raises(DatasetError, match=r"boxes.csv line 2: expected numbers"):
        read_boxes(tmp_path)
