"""A folder of real slices without fractures becomes a labelled data set: lines in half of them.

The layout is that of a phantom: ``OUT/normal`` has slices as they were, ``OUT/fracture`` slices
with lines, ``OUT/masks`` where these are. Every patient has slices of both kinds, so that no
background tells the class.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spinefrac.data.class_names import parse_class_label
from spinefrac.data.folder_layouts import LabelledFile
from spinefrac.data.groups import assign_groups
from spinefrac.data.phantom.bone_lines import LinedSlice, draw_lines
from spinefrac.data.phantom.plan import GENERATOR_VERSION, get_difficulty
from spinefrac.data.phantom.write import (
    CLASS_FOLDERS,
    GROUND_TRUTH_FILE,
    MASK_FOLDER,
    claim_folder,
    encode_json,
    encode_png,
)
from spinefrac.errors import DatasetError, ImageError
from spinefrac.imaging import decoder_pool, to_display
from spinefrac.imaging.collect import SourceFile, files_from_folder
from spinefrac.imaging.hounsfield import BONE_WINDOW
from spinefrac.imaging.system_files import is_system_file
from spinefrac.records import CtSlice, SliceTags
from spinefrac.slice_order import natural_sort_key
from spinefrac.system import atomic


@dataclass(frozen=True)
class BackgroundSummary:
    """What was written; `left_out` counts files that are no slice or labelled as fracture, and
    slices with too little bone."""

    folder: str
    patients: int
    slices: int
    fracture: int
    normal: int
    left_out: int
    seed: int
    difficulty: str
    generator_version: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class _Background:
    file: SourceFile
    patient: str
    slice_count: int


def write_lines_on_backgrounds(
    backgrounds: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    seed: int,
    difficulty: str = "standard",
    progress: Callable[[int, int], None] | None = None,
) -> BackgroundSummary:
    """Draw fracture lines into half of the slices of a folder, and write both halves.

    Parameters
    ----------
    backgrounds : path
        Folder of slices without fractures, in any format and layout. Files in a class folder
        of fractures are left out. Of a volume every slice is taken.
    out : path
        A new or empty folder, or one that holds this very data set.
    seed : int
        The same seed and files give the same data set.
    difficulty : {"easy", "standard", "hard"}
        Width and contrast of the lines.
    progress : callable, optional
        Called with (files done, files in all).

    Raises
    ------
    DatasetError
        Where the folder holds no slice with enough bone, or `out` holds anything else.
    """
    hardness, folder, root = get_difficulty(difficulty), Path(out), Path(backgrounds)
    if not root.is_dir():
        raise DatasetError(f"expected a folder of slices at {root}, found none: check the path")
    found, left_out = _list_backgrounds(root)
    if not found:
        raise DatasetError(f"expected slices without fractures in {root}, found none")
    parameters = {
        "backgrounds": len(found), "seed": seed, "difficulty": difficulty, "format": "png",
        "generator_version": GENERATOR_VERSION,
    }  # fmt: skip
    claim_folder(folder, parameters)
    patients = {name: i for i, name in enumerate(sorted({b.patient for b in found}))}
    written: dict[int, int] = defaultdict(int)
    truth: list[dict[str, Any]] = []
    for done, background in enumerate(found, start=1):
        number = patients[background.patient]
        for ct in read_slices(background.file, background.slice_count):
            rng = np.random.default_rng([seed, number, written[number]])
            lined = draw_lines(ct, hardness, rng)
            if lined is None:
                left_out += 1
                continue
            truth.append(_write(folder, ct, lined, number, written[number], seed))
            written[number] += 1
        if progress is not None:
            progress(done, len(found))
    if not truth:
        raise DatasetError(f"expected slices with bone in {root}, found none with enough of it")
    content = {**parameters, "complete": True, "slices_truth": truth}
    atomic.write_bytes(folder / GROUND_TRUTH_FILE, encode_json(content))
    fractures = sum(row["label"] for row in truth)
    return BackgroundSummary(
        folder=str(folder),
        patients=len(written),
        slices=len(truth),
        fracture=fractures,
        normal=len(truth) - fractures,
        left_out=left_out,
        seed=seed,
        difficulty=difficulty,
        generator_version=GENERATOR_VERSION,
    )


def read_slices(file: SourceFile, slice_count: int | None = None) -> Iterator[CtSlice]:
    """Yield every axial slice of a file; `slice_count` where it is known."""
    if slice_count is None:
        slice_count = decoder_pool.read(file.locate(), name=file.name).slice_count
    for index in range(slice_count):
        yield decoder_pool.read(file.locate(), name=file.name, slice_index=index)


def _list_backgrounds(root: Path) -> tuple[list[_Background], int]:
    """Return the files that can be read, with their patients, and how many were left out."""
    files, tags, counts, left_out = [], [], [], 0
    for file in sorted(files_from_folder(root), key=lambda f: natural_sort_key(f.name)):
        *folders, name = file.name.split("/")
        if is_system_file(name):
            continue
        if any(parse_class_label(part) == 1 for part in folders):
            left_out += 1
            continue
        try:
            ct, header = decoder_pool.read_with_header(file.locate(), name=file.name)
        except ImageError:
            left_out += 1
            continue
        files.append(file)
        tags.append(header.tags if header else SliceTags())
        counts.append(ct.slice_count)
    if not files:
        return [], left_out
    listed = [LabelledFile(f.name, 0, tuple(f.name.split("/")[:-1])) for f in files]
    groups, _ = assign_groups(listed, tags)
    found = [_Background(*row) for row in zip(files, groups, counts, strict=True)]
    return found, left_out


def _write(
    folder: Path, ct: CtSlice, lined: LinedSlice, patient: int, index: int, seed: int
) -> dict[str, Any]:
    """Write a slice with its lines or as it was; return its ground truth."""
    # Every second slice, beginning by chance: both kinds in every patient, neighbours apart.
    label = int((np.random.default_rng([seed, patient]).integers(2) + index) % 2)
    name = f"P{patient:03d}_{index:03d}.png"
    path = f"{CLASS_FOLDERS[label]}/{name}"
    shown = lined.pixels if label else ct.pixels
    grey = to_display(replace(ct, pixels=shown), BONE_WINDOW)
    atomic.write_bytes(folder / path, encode_png(grey), durable=False)
    mask = f"{MASK_FOLDER}/{name}" if label else None
    if mask is not None:
        atomic.write_bytes(folder / mask, encode_png(lined.mask * 255), durable=False)
    return {"path": path, "mask": mask, "label": label, "patient": f"P{patient:03d}",
            "slice": index}  # fmt: skip
