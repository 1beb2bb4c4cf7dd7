"""The tables of the RSNA 2022 Cervical Spine Fracture Detection challenge.

``train.csv`` labels whole studies (``patient_overall``), ``train_bounding_boxes.csv`` marks
fractures slice by slice.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from spinefrac.data.tables import parse_decimal, read_table
from spinefrac.errors import DatasetError

STUDIES_TABLE, BOXES_TABLE, IMAGES_FOLDER = "train.csv", "train_bounding_boxes.csv", "train_images"

#: Why a slice of a fractured study outside every box has no label.
OUTSIDE_BOXES_REASON = (
    "of fractured studies outside any fracture box (whether they show it is unknown)"
)


@dataclass(frozen=True, slots=True)
class RsnaBox:
    """A row of ``train_bounding_boxes.csv``: edges and sizes in pixels."""

    study: str
    slice: int
    x: float
    y: float
    width: float
    height: float


def read_rsna_tables(root: Path) -> tuple[dict[str, bool], list[RsnaBox]]:
    """Read the tables of a download: whether each study has a fracture, and the boxes.

    Raises
    ------
    DatasetError
        If one is missing or not what it should be.
    """
    table, boxes = (_find_table(root, name) for name in (STUDIES_TABLE, BOXES_TABLE))
    if table is None:
        raise DatasetError("Expected train.csv in the folder of RSNA 2022, found none.")
    if boxes is None:
        raise DatasetError(
            "train.csv and train_images are here but train_bounding_boxes.csv is not: without "
            "it no single slice of a fractured study has a label. Put it beside train.csv."
        )
    return _read_studies(table), _read_boxes(boxes)


def find_images_folder(root: Path) -> Path | None:
    """Return the folder of the studies; some programs unpack it inside another of its name."""
    folder = root / IMAGES_FOLDER
    while (folder / IMAGES_FOLDER).is_dir():
        folder /= IMAGES_FOLDER
    return folder if folder.is_dir() else None


def label_rsna_slice(
    fractured: bool | None, study: str, stem: str, boxed_slices: Container[tuple[str, int]]
) -> int | str:
    """Return a slice's label, or the reason why it has none.

    Slices inside a box are positive, slices of studies without a fracture negative. A slice of a
    fractured study outside every box may or may not show a fracture (not every study has boxes).

    Parameters
    ----------
    fractured : bool or None
        Whether the study has a fracture; None where ``train.csv`` does not name it.
    study : str
        StudyInstanceUID.
    stem : str
        The file's name without extension: the slice number.
    boxed_slices : container of (study, slice number)
    """
    if fractured is None:
        return "of studies that train.csv does not name"
    if not stem.isdecimal():
        return "whose file name is not a slice number"
    inside = (study, int(stem)) in boxed_slices
    if inside and not fractured:
        return "with a fracture box in a study that train.csv calls free of fractures"
    if fractured and not inside:
        return OUTSIDE_BOXES_REASON
    return int(inside)


def _find_table(root: Path, name: str) -> Path | None:
    """Return the file of that name in the root, matched without case.

    A link that leads out of the root does not count: a message must not quote what it leads to.
    """
    for path in sorted(root.iterdir()):
        if (
            path.name.casefold() == name
            and path.is_file()
            and path.resolve().is_relative_to(root.resolve())
        ):
            return path
    return None


def _read_studies(table: Path) -> dict[str, bool]:
    return {
        row["studyinstanceuid"]: _parse_int(
            row["patient_overall"], f"{table.name} line {line}: patient_overall"
        )
        != 0
        for line, row in read_table(table, ("studyinstanceuid", "patient_overall"))
    }


def _read_boxes(table: Path) -> list[RsnaBox]:
    boxes = []
    for line, row in read_table(table, ("studyinstanceuid", "slice_number")):
        number = _parse_int(row["slice_number"], f"{table.name} line {line}: slice_number")
        edges = (_parse_float(row.get(name, "")) for name in ("x", "y", "width", "height"))
        boxes.append(RsnaBox(row["studyinstanceuid"], number, *edges))
    return boxes


def _parse_float(text: str) -> float:
    """Return an edge of a box; not a number where the table has none, as labels need none."""
    try:
        return parse_decimal(text)
    except ValueError:
        return float("nan")


def _parse_int(text: str, what: str) -> int:
    """Return a whole number from a table, or raise a DatasetError that names the line."""
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        raise DatasetError(f"{what} is {text!r}, expected a whole number.") from None
