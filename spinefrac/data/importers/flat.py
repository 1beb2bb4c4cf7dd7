"""A folder of slices with a table that labels them, under whatever name its columns have."""

from __future__ import annotations

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from spinefrac.data.folder_layouts import class_label, read_table
from spinefrac.data.importers.plan import Choice, LeftOut, Planned, Source, thinned
from spinefrac.errors import DatasetError

#: What a column may be called.
PATHS = ("path", "file", "filename", "file_name", "image", "image_path", "img")
LABELS = ("label", "class", "fracture", "target", "diagnosis")
PATIENTS = ("patient", "patient_id", "patientid", "subject", "subject_id", "study", "group")


def source(folder: Path, table: Path, choice: Choice) -> Source:
    """Return the slices that a table names, by patient.

    Raises
    ------
    DatasetError
        If the table lacks a column, has an unknown label, or names a file that is not there.
    """
    rows = read_table(table, ())
    names = rows[0][1].keys() if rows else ()
    path_column, label_column = _column(table, names, PATHS), _column(table, names, LABELS)
    patient_column = next((name for name in PATIENTS if name in names), None)
    of_patient: dict[str, list[Planned]] = defaultdict(list)
    seen: set[str] = set()
    for line, row in rows:
        where = f"{table.name} line {line}"
        path = row[path_column].replace("\\", "/")
        file = (folder / path).resolve()
        label = class_label(row[label_column])
        if label is None:
            raise DatasetError(
                f"{where}: unknown label {row[label_column]!r}, expected fracture or normal, "
                "or 1 or 0."
            )
        if not path or not file.is_relative_to(folder.resolve()) or not file.is_file():
            raise DatasetError(
                f"{where}: expected a file inside the folder, found none at {path!r}."
            )
        if path in seen:
            raise DatasetError(f"{where}: {path} is named twice, keep one row.")
        seen.add(path)
        patient = row[patient_column] if patient_column else ""
        if patient_column and not patient:
            raise DatasetError(f"{where}: {path} has no {patient_column}, expected one.")
        rows_of = of_patient[patient]
        rows_of.append(
            Planned(
                str(PurePosixPath(path)), label, patient, len(rows_of), (),
                partial(shutil.copyfile, file),
            )
        )  # fmt: skip
    return Source(len(of_patient), _steps(of_patient, choice))


def _steps(
    of_patient: dict[str, list[Planned]], choice: Choice
) -> Iterator[list[Planned | LeftOut]]:
    for patient in _drawn(sorted(of_patient), choice):
        rows = of_patient[patient]
        taken = [
            entry
            for label in (0, 1)
            for entry in thinned([r for r in rows if r.label == label], choice.per_study)
        ]
        spared = len(rows) - len(taken)
        yield [
            *sorted(taken, key=lambda entry: entry.target),
            *([LeftOut(spared, "more than were asked for of a study")] if spared else []),
        ]


def _drawn(patients: list[str], choice: Choice) -> list[str]:
    """Draw patients, the same for the same seed wherever the table lies."""
    if choice.studies is None:
        return patients
    key = f"{choice.seed} "
    order = sorted(patients, key=lambda name: hashlib.sha256((key + name).encode()).digest())
    return sorted(order[: choice.studies])


def _column(table: Path, names: object, accepted: tuple[str, ...]) -> str:
    found = [name for name in accepted if name in names]  # type: ignore[operator]
    if not found:
        raise DatasetError(
            f"{table.name}: expected a column called {', '.join(accepted[:-1])} or "
            f"{accepted[-1]}, found {', '.join(names) or 'no row'}."  # type: ignore[arg-type]
        )
    return found[0]
