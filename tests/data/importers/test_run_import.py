"""Public layouts become labelled slices, also after a kill; nothing is half there."""

import csv
import gzip
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest

from spinefrac import imaging
from spinefrac.data import phantom
from spinefrac.data.boxes import read_boxes
from spinefrac.data.folder_layouts import list_labelled_files
from spinefrac.data.importers import import_dataset
from spinefrac.data.importers.plan import ImportSelection, sample_evenly
from spinefrac.data.scan import scan
from spinefrac.errors import DatasetError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))


def write_table(path: Path, head: str, rows) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(head.split(","))
        writer.writerows(rows)


@pytest.fixture(scope="module")
def rsna(tmp_path_factory) -> Path:
    """Six phantom patients as the download of RSNA 2022, boxes from the phantom's masks."""
    import cv2

    made = tmp_path_factory.mktemp("rsna")
    phantom.write_phantom(made / "p", patients=6, slices=6, seed=3, format="dicom", size=256)
    root = made / "download"
    boxes, studies = [], {}
    for file in sorted((made / "p").glob("*/*.dcm")):
        patient, number = file.stem.split("_")
        study = f"1.2.826.0.1.3680043.{patient[1:]}"
        place = root / "train_images" / study / f"{int(number) + 1}.dcm"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
        fractured = file.parent.name == "fracture"
        studies[study] = max(studies.get(study, 0), int(fractured))
        if fractured:
            mask = cv2.imread(str(made / "p/masks" / f"{file.stem}.png"), cv2.IMREAD_GRAYSCALE)
            boxes.append((study, *map(float, cv2.boundingRect(mask)), int(number) + 1))
    write_table(
        root / "train.csv",
        "StudyInstanceUID,patient_overall,C1",
        [(study, value, 0) for study, value in studies.items()],
    )
    write_table(
        root / "train_bounding_boxes.csv", "StudyInstanceUID,x,y,width,height,slice_number", boxes
    )
    return root


def test_rsna_takes_boxed_slices_and_whole_studies(rsna, tmp_path):
    result = import_dataset("rsna", rsna, tmp_path / "out")
    direct = list_labelled_files(rsna).files
    taken = list_labelled_files(tmp_path / "out").files
    assert result.slices == len(taken) == len(direct)
    assert {f.path.split("/", 1)[1]: f.label for f in taken} == {
        f.path.split("/", 1)[1]: f.label for f in direct
    }
    outside = 36 - len(direct)
    assert outside > 0 and list(result.left_out.values()) == [outside]
    boxes = read_boxes(tmp_path / "out")
    assert boxes.keys() == {file.path for file in taken if file.label}
    dataset = scan(tmp_path / "out")
    assert dataset.group_rule.startswith("by the column patient")
    assert len(set(dataset.groups)) == result.groups


def test_rsna_outside_slices_count_as_normal_only_when_asked(rsna, tmp_path):
    result = import_dataset("rsna", rsna, tmp_path / "out", selection=ImportSelection(outside=True))
    assert result.slices == 36 and not result.left_out


def test_a_sample_is_drawn_by_seed_and_spread_over_a_study(rsna, tmp_path):
    choice = ImportSelection(studies=2, per_study=2, seed=4)
    first = import_dataset("rsna", rsna, tmp_path / "a", selection=choice)
    again = import_dataset("rsna", rsna, tmp_path / "b", selection=choice)
    assert first.groups == 2 and first.slices <= 2 * 4
    assert first.fracture and first.normal
    assert {**first.to_dict(), "folder": ""} == {**again.to_dict(), "folder": ""}
    assert list(sample_evenly(range(10), 2)) == [2, 7]


def test_a_killed_import_goes_on_and_ends_as_an_unbroken_one(rsna, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    import_dataset("rsna", rsna, whole)
    code = (
        "import sys, time, shutil\n"
        "from spinefrac.data.importers import import_dataset\n"
        "copy = shutil.copyfile\n"
        "def slow(a, b):\n"
        "    time.sleep(0.1); return copy(a, b)\n"
        "shutil.copyfile = slow\n"
        "import_dataset('rsna', sys.argv[1], sys.argv[2])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(rsna), str(broken)])
    end = time.monotonic() + 60
    while len(list(broken.rglob("*.dcm"))) < 4:
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    there = len(list(broken.rglob("*.dcm")))
    assert not (broken / "labels.csv").exists(), "half a set is no set"
    with pytest.raises(DatasetError):
        list_labelled_files(broken)
    result = import_dataset("rsna", rsna, broken)
    assert result.written == result.slices - there
    for path in whole.rglob("*"):
        if path.is_file():
            assert (broken / path.relative_to(whole)).read_bytes() == path.read_bytes()


def test_another_import_is_not_mixed_in(rsna, tmp_path):
    import_dataset("rsna", rsna, tmp_path / "out", selection=ImportSelection(per_study=1))
    with pytest.raises(DatasetError, match="holds another import"):
        import_dataset("rsna", rsna, tmp_path / "out")
    with pytest.raises(DatasetError, match="outside the source"):
        import_dataset("rsna", rsna, rsna / "inside")


# --- NIfTI ---------------------------------------------------------------------------------


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


# --- a table of one's own ------------------------------------------------------------------


def test_a_flat_folder_under_other_column_names(tmp_path):
    phantom.write_phantom(tmp_path / "p", patients=4, slices=3, seed=1, size=256)
    flat = tmp_path / "flat"
    flat.mkdir()
    rows = []
    for file in sorted((tmp_path / "p").glob("[fn]*/*.png")):
        shutil.copy(file, flat / file.name)
        rows.append((file.name, int(file.parent.name == "fracture"), file.name[:4]))
    write_table(tmp_path / "mine.csv", "Filename,Fracture,Patient_ID", rows)
    result = import_dataset("flat", flat, tmp_path / "out", labels=tmp_path / "mine.csv")
    assert (result.slices, result.groups) == (12, 4)
    assert scan(tmp_path / "out").group_rule == "by the column patient of labels.csv"
    write_table(tmp_path / "bad.csv", "file,label", [("../p/phantom.json", 1)])
    with pytest.raises(DatasetError, match="inside the folder"):
        import_dataset("flat", flat, tmp_path / "other", labels=tmp_path / "bad.csv")
    assert not (tmp_path / "other").exists()


def test_the_command_prints_one_object(rsna, tmp_path):
    arguments = ["import", "rsna", str(rsna), str(tmp_path / "out"), "--per-study", "2", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "spinefrac", *arguments], capture_output=True, text=True, check=True
    )
    result = json.loads(done.stdout)
    assert result["kind"] == "rsna" and result["slices"] == result["fracture"] + result["normal"]
