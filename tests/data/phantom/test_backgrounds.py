"""A folder of slices without fractures becomes a data set with masks."""

import json

import cv2
import numpy as np
import pytest

from spinefrac.data.phantom import write_phantom
from spinefrac.data.phantom.backgrounds import write_lines_on_backgrounds
from spinefrac.data.scan import scan
from spinefrac.errors import DatasetError


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Stands for a user's slices: some are labelled as fractures, one file is no slice."""
    folder = tmp_path_factory.mktemp("backgrounds") / "real"
    write_phantom(folder, patients=3, slices=4, seed=5, size=256, format="dicom", workers=1)
    (folder / "normal" / "notes.txt").write_text("no slice")
    for mask in (folder / "masks").iterdir():
        mask.unlink()
    (folder / "phantom.json").unlink()
    return folder


def test_layout_masks_and_patients(real, tmp_path):
    summary = write_lines_on_backgrounds(real, tmp_path / "out", seed=1, difficulty="easy")
    normal = len(list((real / "normal").glob("*.dcm")))
    fractures = len(list((real / "fracture").iterdir()))
    assert summary.slices <= normal and summary.slices == summary.fracture + summary.normal
    assert summary.left_out == fractures + 1 + (normal - summary.slices)
    assert abs(summary.fracture - summary.normal) <= summary.patients
    rows = json.loads((tmp_path / "out/phantom.json").read_text())["slices_truth"]
    assert len(rows) == summary.slices
    for row in rows:
        assert (tmp_path / "out" / row["path"]).is_file() and bool(row["mask"]) == row["label"]
        if row["mask"]:
            mask = cv2.imread(str(tmp_path / "out" / row["mask"]), cv2.IMREAD_GRAYSCALE)
            assert set(np.unique(mask)) == {0, 255}
    dataset = scan(tmp_path / "out")
    assert len(dataset.items) == summary.slices


def test_the_same_again_and_nothing_else(real, tmp_path):
    one, other = (tmp_path / name for name in ("one", "two"))
    for out in (one, other):
        write_lines_on_backgrounds(real, out, seed=1)
    for path in one.rglob("*.png"):
        assert path.read_bytes() == (other / path.relative_to(one)).read_bytes()
    with pytest.raises(DatasetError, match="does not hold this phantom"):
        write_lines_on_backgrounds(real, one, seed=2)


def test_no_folder_and_no_slice_are_named(tmp_path):
    with pytest.raises(DatasetError, match="expected a folder of slices"):
        write_lines_on_backgrounds(tmp_path / "none", tmp_path / "out", seed=1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="expected slices without fractures"):
        write_lines_on_backgrounds(tmp_path / "empty", tmp_path / "out", seed=1)
