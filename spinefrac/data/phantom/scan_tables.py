"""The labels of a phantom of scans, as people would give them: of scans, of vertebrae, of slices.

``labels.csv`` has one row a scan. ``labels-by-level.csv`` and ``labels-by-slice.csv`` know more;
put one of them in its place to train with it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from spinefrac.records import CLASS_NAMES
from spinefrac.system import atomic

_COLUMNS = ("study", "level", "first", "last", "label", "patient")

Row = tuple[str, str, int | str, int | str, str, str]


def write_label_tables(folder: Path, truth: Sequence[dict[str, Any]]) -> None:
    """Write the three tables.

    Parameters
    ----------
    folder : Path
    truth : sequence of dict
        Of every slice, scan by scan and in order: ``patient``, ``vertebra`` and ``label``.
    """
    scans = [list(slices) for _, slices in groupby(truth, key=lambda row: str(row["patient"]))]
    tables = {
        "labels.csv": [_make_row(scan) for scan in scans],
        "labels-by-level.csv": [row for scan in scans for row in _split(scan, "vertebra")],
        "labels-by-slice.csv": [row for scan in scans for row in _split(scan, "label")],
    }
    for name, rows in tables.items():
        atomic.write_bytes(folder / name, _format_table(rows))


def _make_row(scan: Sequence[dict[str, Any]]) -> Row:
    """Return the row of a whole scan."""
    return scan[0]["patient"], "", "", "", _name_label(scan), scan[0]["patient"]


def _split(scan: Sequence[dict[str, Any]], column: str) -> Iterable[Row]:
    """Yield a row for each run of slices with one value of a column; slices count from 1."""
    first = 1
    for _, run in groupby(scan, key=lambda row: str(row[column])):
        slices = list(run)
        level = slices[0]["vertebra"] if column == "vertebra" else ""
        patient = slices[0]["patient"]
        yield patient, level, first, first + len(slices) - 1, _name_label(slices), patient
        first += len(slices)


def _name_label(slices: Iterable[dict[str, Any]]) -> str:
    return CLASS_NAMES[int(any(row["label"] for row in slices))]


def _format_table(rows: Iterable[Row]) -> bytes:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(rows)
    return table.getvalue().encode()
