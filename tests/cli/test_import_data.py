"""`spinefrac import`: one JSON object, and the same as the function."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spinefrac.data import phantom


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


def test_the_command_prints_one_object(rsna, tmp_path):
    arguments = ["import", "rsna", str(rsna), str(tmp_path / "out"), "--per-study", "2", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "spinefrac", *arguments], capture_output=True, text=True, check=True
    )
    result = json.loads(done.stdout)
    assert result["kind"] == "rsna" and result["slices"] == result["fracture"] + result["normal"]
