"""Write what an importer plans, and continue an interrupted import."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from spinefrac.data.boxes import BOX_COLUMNS, BOXES_FILE
from spinefrac.data.folder_layouts import LABELS_TABLE
from spinefrac.data.importers import coco, flat, rsna, volumes, yolo
from spinefrac.data.importers.plan import ImportPlan, ImportSelection, PlannedSlice, SkippedSlices
from spinefrac.errors import DatasetError, ImageError
from spinefrac.records import CLASS_NAMES
from spinefrac.system import atomic, reading
from spinefrac.wording import format_count

KINDS = ("rsna", "nifti", "flat", "yolo", "coco")
#: Those whose labels are in a table of their own.
_WITH_TABLE = ("nifti", "flat")
#: Holds in OUT what is imported there, and how much of it.
STATE_FILE = "import.json"

ProgressCallback = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What was imported: slices by class, patients, boxes, and what was left out and why.

    `groups` is 0 where the source names no patients.
    """

    kind: str
    folder: str
    slices: int
    fracture: int
    normal: int
    groups: int
    boxes: int
    written: int
    left_out: dict[str, int]
    notes: tuple[str, ...] = ()

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
    """Import a public data set as a folder of labelled slices.

    Parameters
    ----------
    kind : {"rsna", "nifti", "flat", "yolo", "coco"}
        RSNA 2022 as downloaded; NIfTI volumes with a table (VerSe); a folder with a table; exports
        of YOLO and COCO.
    source, out : path
        The download, and a new or empty folder, or one where this very call was interrupted.
    labels : path, optional
        The table; ``labels.csv`` in `source` by default. Only for ``nifti`` and ``flat``.
    axis : int
        Of NIfTI: 0 sagittal, 1 coronal, 2 axial.
    selection : ImportSelection, optional
        How much of it to import.
    progress : callable, optional
        Called with the number of studies done and of all.

    Raises
    ------
    DatasetError
        If the source is not of that kind, or `out` holds anything else.
    """
    root, target = Path(source).expanduser(), Path(out).expanduser()
    table = Path(labels).expanduser() if labels else root / LABELS_TABLE
    selection = selection or ImportSelection()
    _check_source(kind, root, target, table)
    plan = _make_plan(kind, root, table, selection, axis)
    state = {"kind": kind, "axis": axis, "source": root.resolve().name, **asdict(selection)}
    _claim_folder(target, state)
    result = _write_dataset(plan, target, kind, progress)
    _write_state(target, {**state, "complete": True})
    return result


def _check_source(kind: str, root: Path, target: Path, table: Path) -> None:
    if not root.is_dir():
        raise DatasetError(f"Expected a folder to import from, but {root} is not one.")
    if target.resolve().is_relative_to(root.resolve()):
        raise DatasetError(
            "Expected a folder outside the source to import into: choose another one."
        )
    if kind in _WITH_TABLE and not table.is_file():
        raise DatasetError(
            f"Expected a table of labels at {table.name}, found none: give it with --labels."
        )


def _make_plan(
    kind: str, folder: Path, table: Path, selection: ImportSelection, axis: int
) -> ImportPlan:
    if kind == "rsna":
        return rsna.plan_import(folder, selection)
    if kind == "nifti":
        return volumes.plan_import(folder, table, selection, axis)
    if kind == "yolo":
        return yolo.plan_import(folder, selection)
    if kind == "coco":
        return coco.plan_import(folder, selection)
    if kind == "flat":
        return flat.plan_import(folder, table, selection)
    raise DatasetError(f"Expected to import {', '.join(KINDS)}, got {kind!r}.")


def _claim_folder(out: Path, wanted: dict[str, Any]) -> None:
    """Record in the folder what is imported into it, or refuse a folder with other contents."""
    if out.exists() and not out.is_dir():
        raise DatasetError(f"Expected a folder at {out}, found a file: choose another folder.")
    if out.is_dir() and any(out.iterdir()):
        try:
            state = reading.parse_json(reading.read_regular_file(out / STATE_FILE))
        except (OSError, ValueError):
            state = None
        if not isinstance(state, dict) or {**state, "complete": 0} != {**wanted, "complete": 0}:
            raise DatasetError(
                f"{out} is not empty and holds another import or other files: choose a new "
                "folder, or give the same options as before to continue."
            )
        return
    out.mkdir(parents=True, exist_ok=True)
    _write_state(out, {**wanted, "complete": False})


@dataclass(slots=True)
class _Counts:
    """What has been written and left out so far."""

    slices: Counter[int] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    patients: set[str] = field(default_factory=set)
    boxes: int = 0
    written: int = 0

    def add(self, entry: PlannedSlice, *, is_new: bool) -> None:
        self.slices[entry.label] += 1
        self.patients |= {entry.patient} - {""}
        self.boxes += len(entry.boxes)
        self.written += is_new


def _write_dataset(
    plan: ImportPlan, out: Path, kind: str, progress: ProgressCallback | None
) -> ImportResult:
    """Write every slice that is missing, then the tables."""
    counts = _Counts()
    box_table = io.StringIO(newline="")
    box_rows = csv.writer(box_table)
    box_rows.writerow(BOX_COLUMNS)
    atomic.remove_temporary_files(out / LABELS_TABLE)  # of an import that was killed
    with (
        atomic.replacing(out / LABELS_TABLE) as labels,
        labels.open("w", encoding="utf-8", newline="") as label_table,
    ):
        label_rows = csv.writer(label_table)
        label_rows.writerow(("path", "label", "patient", "position"))
        for entry in _iterate_entries(plan, progress):
            if isinstance(entry, SkippedSlices):
                counts.left_out[entry.reason] += entry.count
                continue
            path = f"slices/{entry.target}"
            try:
                counts.add(entry, is_new=_write_slice(entry, out / path))
            except ImageError as error:
                counts.left_out[f"that cannot be read ({error})"] += 1
                continue
            label_rows.writerow((path, CLASS_NAMES[entry.label], entry.patient, entry.position))
            box_rows.writerows((path, *box) for box in entry.boxes)
        if not counts.slices:
            reasons = "; ".join(
                f"{format_count(n, 'slice')} {reason}" for reason, n in counts.left_out.items()
            )
            raise DatasetError(
                f"Expected slices with a label, found none. Left out: {reasons or 'nothing'}."
            )
        if counts.boxes:
            atomic.write_bytes(out / BOXES_FILE, box_table.getvalue().encode())
    return replace(_summarize(counts, out, kind), notes=plan.notes)


def _iterate_entries(
    plan: ImportPlan, progress: ProgressCallback | None
) -> Iterator[PlannedSlice | SkippedSlices]:
    """Yield the entries of all studies, and report each study when it is done."""
    for done, entries in enumerate(plan.entries_by_study, start=1):
        yield from entries
        if progress:
            progress(done, plan.study_count)


def _summarize(counts: _Counts, out: Path, kind: str) -> ImportResult:
    return ImportResult(
        kind=kind,
        folder=str(out),
        slices=counts.slices.total(),
        fracture=counts.slices[1],
        normal=counts.slices[0],
        groups=len(counts.patients),
        boxes=counts.boxes,
        written=counts.written,
        left_out=dict(sorted(counts.left_out.items())),
    )


def _write_slice(entry: PlannedSlice, target: Path) -> bool:
    """Write a slice unless it is there already; return whether it was written."""
    if target.is_file():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(target, durable=False) as temporary:
        entry.write(temporary)
    return True


def _write_state(out: Path, state: dict[str, Any]) -> None:
    atomic.write_bytes(out / STATE_FILE, f"{json.dumps(state, indent=1)}\n".encode())
