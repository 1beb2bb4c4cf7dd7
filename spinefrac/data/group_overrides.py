"""Corrected groups of a folder: ``HOME/runs/groups/<folder>.csv``.

The folder itself is not written to, and every later scan of it that finds the groups by itself
applies the correction. Slices that the table does not name keep the group that was found.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from spinefrac import settings
from spinefrac.data.class_names import parse_class_label
from spinefrac.data.folder_layouts import FolderLike, LabelledFile, list_labelled_files
from spinefrac.data.groups import continue_rule
from spinefrac.data.tables import read_table
from spinefrac.errors import DatasetError
from spinefrac.records import Dataset
from spinefrac.system import atomic, private_files

COLUMNS = ("path", "label", "patient")


def groups_to_csv(dataset: Dataset) -> bytes:
    """Return the groups of a data set as the table to correct: ``path,label,patient``, CSV."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for item in dataset.items:
        writer.writerow((item.path, ("normal", "fracture")[item.label], item.group))
    return text.getvalue().encode("utf-8", "surrogateescape")


def save_overrides(folder: FolderLike, table: bytes) -> int:
    """Use the groups of a corrected table for a folder from now on.

    Parameters
    ----------
    folder : path
        A folder of labelled slices.
    table : bytes
        CSV with the columns ``path,patient``, and perhaps ``label``, as `groups_to_csv` writes it.
        It need not name every slice.

    Returns
    -------
    int
        How many slices the table names.

    Raises
    ------
    DatasetError
        If the table is none, names no or other slices, leaves a patient out, or has another
        label than the folder.
    """
    listing = list_labelled_files(folder)
    path = _overrides_path(listing.root)
    private_files.make_folder(path.parent)
    with atomic.replacing(path) as temporary:
        temporary.write_bytes(table)
        named = _read_overrides(temporary, {_make_key(f.path): f.label for f in listing.files})
    return len(named)


def delete_overrides(folder: str | os.PathLike[str]) -> None:
    """Discard the correction of a folder."""
    _overrides_path(Path(folder)).unlink(missing_ok=True)


def hash_overrides(folder: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of the correction that is saved for a folder, empty where none is."""
    try:
        return hashlib.sha256(_overrides_path(Path(folder)).read_bytes()).hexdigest()
    except OSError:
        return ""


def apply_overrides(
    folder: Path, files: Sequence[LabelledFile], groups: Sequence[str], rule: str
) -> tuple[tuple[str, ...], str]:
    """Replace the groups that were found by the saved correction of a folder.

    Parameters
    ----------
    folder : Path
    files : sequence of LabelledFile, length N
    groups : sequence of str, length N
        As `groups.assign_groups` found them.
    rule : str
        By which they were found, in words.

    Returns
    -------
    groups : tuple of str, length N
    rule : str
    """
    path = _overrides_path(folder)
    if not path.is_file():
        return tuple(groups), rule
    rows = read_table(path, ("path", "patient"))
    named = {_make_key(row["path"]): row["patient"] for _, row in rows}
    corrected = tuple(
        named.get(_make_key(f.path), group) for f, group in zip(files, groups, strict=True)
    )
    left = sum(_make_key(file.path) not in named for file in files)
    words = "by the corrected table of this folder"
    if left:
        words += f"; {continue_rule(left, len(files), 'no row there', rule)}"
    return corrected, words


def _overrides_path(folder: Path) -> Path:
    name = str(folder.expanduser().resolve()).encode("utf-8", "surrogateescape")
    return settings.runs_dir() / "groups" / f"{hashlib.sha256(name).hexdigest()[:32]}.csv"


def _make_key(path: str) -> str:
    """Return a path as it is compared: some systems write other slashes or accented letters."""
    return unicodedata.normalize("NFC", path.replace("\\", "/"))


def _read_overrides(table: Path, labels: dict[str, int]) -> dict[str, str]:
    """Return the patient of each path, checked against the folder's slices."""
    named: dict[str, str] = {}
    for line, row in read_table(table, ("path", "patient")):
        path, patient = row["path"], row["patient"]
        key = _make_key(path)
        if key not in labels:
            raise DatasetError(
                f"Line {line} of the table: {path} is no slice of this folder; take the table "
                "that was written for it and change the column patient only."
            )
        if not patient:
            raise DatasetError(f"Line {line} of the table: {path} has no patient, expected one.")
        if named.setdefault(key, patient) != patient:
            raise DatasetError(f"Line {line} of the table: {path} has two patients, keep one.")
        if row.get("label") and parse_class_label(row["label"]) != labels[key]:
            raise DatasetError(
                f"Line {line} of the table: {path} is labelled {row['label']} here and otherwise "
                "in the folder. This table sets groups only: to change labels, save it as "
                "labels.csv in the folder."
            )
    if not named:
        raise DatasetError("The table names no slice: expected one row a slice, path,patient.")
    return named
