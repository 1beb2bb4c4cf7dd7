"""A folder of slices with a table that labels them, under whatever name its columns have."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

from spinefrac.data.class_names import parse_class_label, strip_class_folders
from spinefrac.data.importers.plan import (
    ImportPlan,
    ImportSelection,
    PlannedSlice,
    SkippedSlices,
    copy_file,
    sample_evenly,
)
from spinefrac.data.listed_files import ListedFiles
from spinefrac.data.tables import read_table
from spinefrac.errors import DatasetError
from spinefrac.slice_order import natural_sort_key

#: What a column may be called.
PATH_COLUMNS = ("path", "file", "filename", "file_name", "image", "image_path", "img")
LABEL_COLUMNS = ("label", "class", "fracture", "target", "diagnosis")
PATIENT_COLUMNS = ("patient", "patient_id", "patientid", "subject", "subject_id", "study", "group")


def plan_import(folder: Path, table: Path, selection: ImportSelection) -> ImportPlan:
    """Return the slices that a table names, by patient.

    Raises
    ------
    DatasetError
        If the table lacks a column, has an unknown label, or names a file that is not there.
    """
    rows = read_table(table, ())
    names = rows[0][1].keys() if rows else ()
    path_column, label_column = (
        _find_column(table, names, PATH_COLUMNS),
        _find_column(table, names, LABEL_COLUMNS),
    )
    patient_column = next((name for name in PATIENT_COLUMNS if name in names), None)
    of_patient: dict[str, list[PlannedSlice]] = defaultdict(list)
    seen: set[str] = set()
    files = ListedFiles(folder)
    for line, row in rows:
        where = f"{table.name} line {line}"
        path = _find_file(files, row[path_column], where)
        file = folder / path
        label = parse_class_label(row[label_column])
        if label is None:
            raise DatasetError(
                f"{where}: unknown label {row[label_column]!r}, expected fracture or normal, "
                "or 1 or 0."
            )
        if path in seen:
            raise DatasetError(f"{where}: {path} is named twice, keep one row.")
        seen.add(path)
        patient = row[patient_column] if patient_column else ""
        if patient_column and not patient:
            raise DatasetError(f"{where}: {path} has no {patient_column}, expected one.")
        of_patient[patient].append(
            PlannedSlice(
                str(PurePosixPath(path)), label, patient, 0, (), partial(copy_file, file),
            )
        )  # fmt: skip
    return ImportPlan(len(of_patient), _iterate_patients(of_patient, selection))


def _find_file(files: ListedFiles, written: str, where: str) -> str:
    """Return the path of a file in the folder, relative to it."""
    try:
        path = files.find(written)
    except ValueError:
        path = None
    if path is None:
        raise DatasetError(
            f"{where}: expected a file inside the folder, found none at {written!r}."
        )
    return path


def _iterate_patients(
    slices_by_patient: dict[str, list[PlannedSlice]], selection: ImportSelection
) -> Iterator[list[PlannedSlice | SkippedSlices]]:
    for patient in _sample_patients(sorted(slices_by_patient), selection):
        rows = _number_slices(slices_by_patient[patient])
        taken = [
            entry
            for label in (0, 1)
            for entry in sample_evenly([r for r in rows if r.label == label], selection.per_study)
        ]
        spared = len(rows) - len(taken)
        yield [
            *sorted(taken, key=lambda entry: entry.position),
            *([SkippedSlices(spared, "more than were asked for of a study")] if spared else []),
        ]


def _number_slices(entries: list[PlannedSlice]) -> list[PlannedSlice]:
    """Give slices their positions by name: a table may have its rows in any order."""
    ordered = sorted(entries, key=lambda entry: natural_sort_key(strip_class_folders(entry.target)))
    return [replace(entry, position=position) for position, entry in enumerate(ordered)]


def _sample_patients(patients: list[str], selection: ImportSelection) -> list[str]:
    """Draw patients, the same for the same seed wherever the table lies."""
    if selection.studies is None:
        return patients
    key = f"{selection.seed} "
    order = sorted(patients, key=lambda name: hashlib.sha256((key + name).encode()).digest())
    return sorted(order[: selection.studies])


def _find_column(table: Path, names: object, accepted: tuple[str, ...]) -> str:
    found = [name for name in accepted if name in names]  # type: ignore[operator]
    if not found:
        raise DatasetError(
            f"{table.name}: expected a column called {', '.join(accepted[:-1])} or "
            f"{accepted[-1]}, found {', '.join(names) or 'no row'}."  # type: ignore[arg-type]
        )
    return found[0]
