"""Boxes around fractures, ``boxes.csv`` in a data set's root, to score heat maps against."""

from __future__ import annotations

from pathlib import Path

from spinefrac.data.rsna_tables import IMAGES_FOLDER, read_rsna_tables
from spinefrac.data.tables import read_table
from spinefrac.errors import DatasetError

BOXES_FILE = "boxes.csv"
BOX_COLUMNS = ("path", "x", "y", "width", "height")

#: Left and top edge, width and height, in the slice's own pixels.
Box = tuple[float, float, float, float]


def read_boxes(folder: Path) -> dict[str, tuple[Box, ...]]:
    """Return the boxes of each slice by its path; empty where the folder has none.

    Those of a download of RSNA 2022 are taken from its own table.

    Raises
    ------
    DatasetError
        If the table lacks a column, or an entry is no number.
    """
    found: dict[str, list[Box]] = {}
    table = folder / BOXES_FILE
    if not table.is_file():
        if (folder / IMAGES_FOLDER).is_dir():
            for box in read_rsna_tables(folder)[1]:
                path = f"{IMAGES_FOLDER}/{box.study}/{box.slice}.dcm"
                found.setdefault(path, []).append((box.x, box.y, box.width, box.height))
        return {path: tuple(boxes) for path, boxes in found.items()}
    for line, row in read_table(table, BOX_COLUMNS):
        try:
            x, y, width, height = (float(row[name]) for name in BOX_COLUMNS[1:])
        except ValueError:
            raise DatasetError(
                f"{BOXES_FILE} line {line}: expected numbers for x, y, width and height."
            ) from None
        found.setdefault(row["path"], []).append((x, y, width, height))
    return {path: tuple(boxes) for path, boxes in found.items()}
