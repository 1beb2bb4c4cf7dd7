"""The groups as a table to correct: ``path,label,patient``, as ``labels.csv`` is read."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from spinefrac.data.scan import scan


def write_table(folder: str | os.PathLike[str], table: Path, *, group_by: str = "auto") -> None:
    """Write every slice's path, label and group.

    Corrected and saved as ``labels.csv`` in the folder, it sets labels and groups.

    Parameters
    ----------
    folder : path
    table : Path
        The file to write; one that exists is not written over.
    group_by : str

    Raises
    ------
    FileExistsError
    """
    dataset = scan(folder, group_by=group_by)
    with table.open("x", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("path", "label", "patient"))
        for item in dataset.items:
            writer.writerow((item.path, ("normal", "fracture")[item.label], item.group))
