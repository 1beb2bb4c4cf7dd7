"""Boxes around fractures, ``boxes.csv`` in a data set's root, to score heat maps against."""

from __future__ import annotations

from pathlib import Path

from spinefrac.data.label_tables.rsna import find_images_folder, read_rsna_tables
from spinefrac.data.listed_files import ListedFiles
from spinefrac.data.tables import parse_decimal, read_table
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
        if images := find_images_folder(folder):
            for box in read_rsna_tables(folder)[1]:
                path = f"{images.relative_to(folder).as_posix()}/{box.study}/{box.slice}.dcm"
                found.setdefault(path, []).append((box.x, box.y, box.width, box.height))
        return {path: tuple(boxes) for path, boxes in found.items()}
    files = ListedFiles(folder)
    for line, row in read_table(table, BOX_COLUMNS):
        try:
            x, y, width, height = (parse_decimal(row[name]) for name in BOX_COLUMNS[1:])
        except ValueError:
            raise DatasetError(
                f"{BOXES_FILE} line {line}: expected numbers for x, y, width and height."
            ) from None
        path = _find(files, row["path"])
        found.setdefault(path, []).append((x, y, width, height))
    return {path: tuple(boxes) for path, boxes in found.items()}


def _find(files: ListedFiles, written: str) -> str:
    """Return the path of a slice as the data set has it; as written where there is none."""
    try:
        return files.find(written) or written
    except ValueError:
        return written
