"""Write what an importer plans, and continue where an interrupted call ended."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spinefrac.data.boxes import BOX_COLUMNS, BOXES_FILE
from spinefrac.data.importers import flat, rsna, volumes
from spinefrac.data.importers.plan import ImportPlan, ImportSelection, PlannedSlice, SkippedSlices
from spinefrac.errors import DatasetError
from spinefrac.records import CLASS_NAMES
from spinefrac.system import atomic

KINDS = ("rsna", "nifti", "flat")
#: Says in OUT what is being imported there, with what choice.
STATE_FILE = "import.json"

ProgressCallback = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What was brought: slices by class, groups, boxes, and what was left out and why."""

    kind: str
    folder: str
    slices: int
    fracture: int
    normal: int
    groups: int
    boxes: int
    written: int
    left_out: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def import_dataset(
    kind: str,
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    labels: str | os.PathLike[str] | None = None,
    axis: int = 2,
    selection: ImportSelection | None = None,
    progress: ProgressCallback | None = None,
) -> ImportResult:
    """Bring a public layout into a folder of labelled slices.

    Parameters
    ----------
    kind : {"rsna", "nifti", "flat"}
        RSNA 2022 as downloaded; NIfTI volumes with a table (VerSe); a folder with a table.
    source, out : path
        The download, and a new or empty folder, or one where this very call was interrupted.
    labels : path, optional
        The table; ``labels.csv`` in `source` by default. Not for ``rsna``.
    axis : int
        Of NIfTI: 0 sagittal, 1 coronal, 2 axial.
    selection : Choice, optional
        How much of it to take.
    progress : callable, optional
        Called with the number of studies done and of all.

    Returns
    -------
    Imported

    Raises
    ------
    DatasetError
        If the source is not of that kind, or `out` holds anything else.
    """
    folder, target, wanted = (
        Path(source).expanduser(),
        Path(out).expanduser(),
        selection or ImportSelection(),
    )
    if not folder.is_dir():
        raise DatasetError(f"Expected a folder to import from, but {source} is none.")
    if target.resolve() == folder.resolve() or target.resolve().is_relative_to(folder.resolve()):
        raise DatasetError("Expected a folder outside the source to import into: choose another.")
    table = Path(labels).expanduser() if labels else folder / "labels.csv"
    if kind != "rsna" and not table.is_file():
        raise DatasetError(
            f"Expected a table of labels at {table.name}, found none: give it with --labels."
        )
    plan = _make_plan(kind, folder, table, wanted, axis)
    stamp = {"kind": kind, "axis": axis, "source": folder.resolve().name, **asdict(wanted)}
    _claim_folder(target, stamp)
    result = _write_dataset(plan, target, kind, progress)
    _write_state(target, {**stamp, "complete": True})
    return result


def _make_plan(
    kind: str, folder: Path, table: Path, selection: ImportSelection, axis: int
) -> ImportPlan:
    if kind == "rsna":
        return rsna.plan_import(folder, selection)
    if kind == "nifti":
        return volumes.plan_import(folder, table, selection, axis)
    if kind == "flat":
        return flat.plan_import(folder, table, selection)
    raise DatasetError(f"Expected to import {', '.join(KINDS)}, got {kind!r}.")


def _claim_folder(out: Path, stamp: dict[str, Any]) -> None:
    """Make the folder this import's, or refuse."""
    if out.exists() and not out.is_dir():
        raise DatasetError(f"Expected a folder at {out}, found a file: choose another place.")
    if out.is_dir() and any(out.iterdir()):
        try:
            told = json.loads((out / STATE_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            told = None
        if not isinstance(told, dict) or {**told, "complete": 0} != {**stamp, "complete": 0}:
            raise DatasetError(
                f"{out} is not empty and holds no part of this import: choose a new folder, or "
                "give the same options as before to continue."
            )
        return
    out.mkdir(parents=True, exist_ok=True)
    _write_state(out, {**stamp, "complete": False})


def _write_dataset(
    plan: ImportPlan, out: Path, kind: str, progress: ProgressCallback | None
) -> ImportResult:
    """Write every slice that is missing, then the tables."""
    counts: Counter[int] = Counter()
    left: Counter[str] = Counter()
    groups: set[str] = set()
    marked = written = 0
    box_table = io.StringIO(newline="")
    box_rows = csv.writer(box_table)
    box_rows.writerow(BOX_COLUMNS)
    with (
        atomic.replacing(out / "labels.csv") as labels,
        labels.open("w", encoding="utf-8", newline="") as label_table,
    ):
        label_rows = csv.writer(label_table)
        label_rows.writerow(("path", "label", "patient", "position"))
        for done, step in enumerate(plan.entries_by_study, start=1):
            for entry in step:
                if isinstance(entry, SkippedSlices):
                    left[entry.reason] += entry.count
                    continue
                written += _write_slice(entry, out / "slices" / entry.target)
                path = f"slices/{entry.target}"
                name = CLASS_NAMES[entry.label]
                label_rows.writerow((path, name, entry.patient, entry.position))
                box_rows.writerows((path, *box) for box in entry.boxes)
                counts[entry.label] += 1
                groups.add(entry.patient)
                marked += len(entry.boxes)
            if progress:
                progress(done, plan.study_count)
        if not counts:
            raise DatasetError(
                "No slice has a label: " + "; ".join(f"{n} slices {r}" for r, n in left.items())
            )
        if marked:
            atomic.write_bytes(out / BOXES_FILE, box_table.getvalue().encode())
    return ImportResult(
        kind=kind,
        folder=str(out),
        slices=counts.total(),
        fracture=counts[1],
        normal=counts[0],
        groups=len(groups),
        boxes=marked,
        written=written,
        left_out=dict(sorted(left.items())),
    )


def _write_slice(entry: PlannedSlice, target: Path) -> bool:
    """Write a slice by rename; whether it had not been there."""
    if target.is_file():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(target, durable=False) as temporary:
        entry.write(temporary)
    return True


def _write_state(out: Path, state: dict[str, Any]) -> None:
    atomic.write_bytes(out / STATE_FILE, f"{json.dumps(state, indent=1)}\n".encode())
