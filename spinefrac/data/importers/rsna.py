"""RSNA 2022 Cervical Spine Fracture Detection, as it is downloaded.

``train.csv`` labels studies, ``train_bounding_boxes.csv`` marks fractures slice by slice, and
``train_images/<StudyInstanceUID>/<n>.dcm`` holds the slices.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from spinefrac.data.importers.plan import (
    Box,
    ImportPlan,
    ImportSelection,
    PlannedSlice,
    SkippedSlices,
    copy_file,
    sample_evenly,
)
from spinefrac.data.label_tables.rsna import (
    OUTSIDE_BOXES_REASON,
    find_images_folder,
    label_rsna_slice,
    read_rsna_tables,
)
from spinefrac.errors import DatasetError
from spinefrac.imaging.system_files import is_system_file
from spinefrac.slice_order import natural_sort_key

#: Empty files of a study that are named, the first of them.
_MAX_NAMED = 5

Boxes = dict[tuple[str, int], list[Box]]


def plan_import(folder: Path, selection: ImportSelection) -> ImportPlan:
    """Return the studies of a download, fewer where `selection` says so.

    Raises
    ------
    DatasetError
        If a table or the folder of images is missing, or a table is not what it should be.
    """
    images = find_images_folder(folder)
    if images is None:
        raise DatasetError(
            f"Expected train_images beside train.csv in {folder.name}, found none: give the "
            "folder of the RSNA 2022 download."
        )
    fractured, rows = read_rsna_tables(folder)
    boxes: Boxes = defaultdict(list)
    for row in rows:
        boxes[row.study, row.slice].append((row.x, row.y, row.width, row.height))
    here = sorted(path.name for path in images.iterdir() if path.is_dir())
    known = [study for study in here if study in fractured]
    if not known:
        raise DatasetError(
            f"Expected folders of train_images with the names of studies in train.csv, found "
            f"{len(here)} folders and none of them has one: give the folder of the download."
        )
    taken = _sample_studies(known, fractured, selection)
    return ImportPlan(len(taken), _iterate_studies(images, taken, fractured, boxes, selection))


def _sample_studies(
    known: list[str], fractured: dict[str, bool], selection: ImportSelection
) -> list[str]:
    """Draw studies, half of them fractured as far as there are."""
    if selection.studies is None or selection.studies >= len(known):
        return known
    generator = random.Random(selection.seed)
    with_fracture = [study for study in known if fractured[study]]
    without = [study for study in known if not fractured[study]]
    half = max(selection.studies // 2, selection.studies - len(without))
    some = min(half, len(with_fracture))
    return sorted(
        generator.sample(with_fracture, some) + generator.sample(without, selection.studies - some)
    )


def _iterate_studies(
    images: Path,
    studies: list[str],
    fractured: dict[str, bool],
    boxes: Boxes,
    selection: ImportSelection,
) -> Iterator[list[PlannedSlice | SkippedSlices]]:
    """Yield what each study holds; its folder is read only then."""
    for study in studies:
        left: Counter[str] = Counter()
        empty: list[str] = []
        by_label: dict[int, list[PlannedSlice]] = {0: [], 1: []}
        try:
            files = _list_study(images / study)
        except OSError as error:
            reason = f"or more of {study}, whose folder cannot be read ({error.strerror})"
            yield [SkippedSlices(1, reason)]
            continue
        for file in files:
            label = label_rsna_slice(fractured[study], study, file.stem, boxes)
            if label == OUTSIDE_BOXES_REASON and selection.outside:
                label = 0
            if isinstance(label, str):
                left[label] += 1
                continue
            if file.stat().st_size == 0:
                empty.append(f"{study}/{file.name}")
                continue
            by_label[label].append(_plan_slice(file, label, study, boxes))
        taken = [
            entry
            for rows in by_label.values()
            for entry in sample_evenly(rows, selection.per_study)
        ]
        spared = sum(map(len, by_label.values())) - len(taken)
        if spared:
            left["more than were asked for of a study"] += spared
        if empty:
            left[_describe_empty(empty)] += len(empty)
        yield [
            *sorted(taken, key=lambda entry: entry.position),
            *(SkippedSlices(count, reason) for reason, count in sorted(left.items())),
        ]


def _describe_empty(names: list[str]) -> str:
    """Return why empty files are left out, the first of them by name."""
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return f"of 0 bytes ({', '.join(names[:_MAX_NAMED])}{more})"


def _list_study(folder: Path) -> list[Path]:
    """Return the files of a study in order; OSError where its folder cannot be read."""
    files = [file for file in folder.iterdir() if file.is_file() and not is_system_file(file.name)]
    return sorted(files, key=lambda file: natural_sort_key(file.name))


def _plan_slice(file: Path, label: int, study: str, boxes: Boxes) -> PlannedSlice:
    number = int(file.stem)
    return PlannedSlice(
        f"{study}/{file.name}",
        label,
        study,
        number,
        tuple(boxes.get((study, number), ())),
        partial(copy_file, file),
    )
