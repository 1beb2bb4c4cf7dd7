"""Import of RSNA 2022: boxes label slices, studies without a fracture are normal."""

import csv
import shutil
from pathlib import Path

import pytest

from spinefrac.data import phantom
from spinefrac.data.boxes import read_boxes
from spinefrac.data.folder_layouts import list_labelled_files
from spinefrac.data.importers import import_dataset
from spinefrac.data.importers.plan import ImportSelection, sample_evenly
from spinefrac.data.scan import scan


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
