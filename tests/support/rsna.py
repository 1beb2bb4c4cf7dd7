"""The download of RSNA 2022, made from a phantom."""

import csv
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2

from spinefrac.data import phantom


def write_table(path: Path, head: str, rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file; `head` holds its columns, separated by commas."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(head.split(","))
        writer.writerows(rows)


def write_rsna_download(made: Path) -> Path:
    """Write six phantom patients as that download, boxes from their masks; return its folder."""
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
