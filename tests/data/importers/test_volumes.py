"""Import of NIfTI volumes: labels of slices, or grades of vertebrae with a mask."""

import gzip
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest

from spinefrac import imaging
from spinefrac.data.boxes import read_boxes
from spinefrac.data.importers import import_dataset
from spinefrac.data.scan import scan
from tests.support.rsna import write_table


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))


@pytest.fixture
def verse(tmp_path) -> Path:
    """Two small subjects in VerSe's naming: L1 whole, L2 broken in the first only."""
    generator = np.random.default_rng(0)
    root = tmp_path / "verse"
    affine = np.diag([-0.8, -0.8, 2.0, 1.0])
    for subject in ("sub-verse004", "sub-verse005"):
        folder = root / "rawdata" / subject
        folder.mkdir(parents=True)
        volume = generator.integers(-200, 900, (40, 32, 20)).astype(np.int16)
        mask = np.zeros(volume.shape, np.uint8)
        mask[10:20, 12:24, 2:9] = 21  # L2, below
        mask[10:20, 12:24, 11:18] = 20  # L1, above
        nibabel.save(nibabel.Nifti1Image(volume, affine), folder / f"{subject}_ct.nii.gz")
        derived = root / "derivatives" / subject
        derived.mkdir(parents=True)
        name = f"{subject}_seg-vert_msk.nii.gz"
        nibabel.save(nibabel.Nifti1Image(mask, affine), derived / name)
    write_table(
        root / "grades.csv",
        "subject,vertebra,grade",
        [("sub-verse004", "L1", 0), ("sub-verse004", "L2", 2), ("verse005", 20, 0),
         ("verse005", 21, 0)],
    )  # fmt: skip
    return root


def test_volumes_are_cut_by_graded_vertebrae(verse, tmp_path):
    out = tmp_path / "out"
    result = import_dataset("nifti", verse, out, labels=verse / "grades.csv")
    assert (result.fracture, result.normal, result.groups) == (7, 7 + 14, 2)
    boxes = read_boxes(out)
    assert len(boxes) == 7
    path = "slices/sub-verse004_ct/sub-verse004_ct_0005.nii.gz"
    ct = imaging.read(out / path)
    want = imaging.read(verse / "rawdata/sub-verse004/sub-verse004_ct.nii.gz", slice_index=5)
    np.testing.assert_array_equal(ct.pixels, want.pixels)
    assert ct.calibrated and ct.spacing_mm == pytest.approx(want.spacing_mm)
    mask = imaging.read(
        verse / "derivatives/sub-verse004/sub-verse004_seg-vert_msk.nii.gz", slice_index=5
    ).pixels
    (x, y, width, height) = map(int, boxes[path][0])
    assert (mask[y : y + height, x : x + width] == 21).all() and (
        mask == 21
    ).sum() == width * height
    assert len(scan(out).items) == 28


@pytest.mark.parametrize("axis", [0, 1])
def test_other_planes_keep_their_picture(verse, tmp_path, axis):
    import_dataset("nifti", verse, tmp_path / "out", labels=verse / "grades.csv", axis=axis)
    for file in (tmp_path / "out").rglob("sub-verse005*.nii.gz"):
        position = int(file.name.split("_")[-1].split(".")[0])
        source = verse / "rawdata/sub-verse005/sub-verse005_ct.nii.gz"
        want = imaging.read(source, slice_index=position, axis=axis)
        np.testing.assert_array_equal(imaging.read(file).pixels, want.pixels)


def test_volumes_with_slices_in_the_table(verse, tmp_path):
    table = tmp_path / "labels.csv"
    name = "rawdata/sub-verse004/sub-verse004_ct.nii.gz"
    rows = [(name, 2, 4, "fracture", "A"), (name, 10, 25, "normal", "A")]
    write_table(table, "file,first,last,label,patient", rows)
    result = import_dataset("nifti", verse, tmp_path / "out", labels=table)
    assert (result.fracture, result.normal) == (3, 10)
    assert result.left_out == {"beyond the end of their volume": 6}


@pytest.mark.parametrize("how", ["foreign", "cut off"])
def test_a_damaged_volume_is_left_out_with_its_reason(verse, tmp_path, how):
    bad = verse / "rawdata/sub-verse004/sub-verse004_ct.nii.gz"
    whole = bad.read_bytes()
    foreign = gzip.compress(b"nothing of the kind" * 40)
    bad.write_bytes(foreign if how == "foreign" else whole[: int(len(whole) * 0.9)])
    shutil.copytree(verse / "rawdata/sub-verse005", verse / "rawdata/sub-verse006")
    result = import_dataset("nifti", verse, tmp_path / "out", labels=verse / "grades.csv")
    assert result.groups == 1 and any("cannot be read" in reason for reason in result.left_out)
