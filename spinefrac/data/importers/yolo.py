"""A data set of YOLO: images, a text file of boxes for each, and the names of the classes.

Either ``images/…/a.png`` with ``labels/…/a.txt``, or ``train/images/a.png`` with
``train/labels/a.txt``. A line holds the number of a class, then centre, width and height of a box,
or the corners of a polygon, all as shares of the image. The names are in ``data.yaml``, or line by
line in ``classes.txt``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from spinefrac.data.folder_tree import read_tree
from spinefrac.data.importers.annotated import (
    IMAGE_SUFFIXES,
    AnnotatedImage,
    find_fracture_classes,
    plan_images,
    require_no_selection,
)
from spinefrac.data.importers.plan import Box, ImportPlan, ImportSelection, SkippedSlices
from spinefrac.errors import DatasetError
from spinefrac.system import reading

_NAMES_FILES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_CLASSES_FILE = "classes.txt"
_MAX_NAMES_BYTES, _MAX_LABEL_BYTES = 2**18, 2**20
#: How far rounding may take an edge beyond the image, as a share of its side.
_ROUNDING = 0.01


def plan_import(folder: Path, selection: ImportSelection) -> ImportPlan:
    """Return the slices of a data set of YOLO.

    Raises
    ------
    DatasetError
        If names or labels are missing, a line is no box, or no class means a fracture.
    """
    require_no_selection(selection)
    folder = folder.resolve()
    names = _read_names(folder)
    fracture_classes = find_fracture_classes(names.values())
    files = {
        path.relative_to(folder).as_posix(): path for path, _ in read_tree(folder).iterate_files()
    }
    images: list[AnnotatedImage] = []
    left_out: Counter[str] = Counter()
    labelled = 0
    for relative in sorted(files):
        table = _label_path(relative)
        if table is None:
            continue
        if PurePosixPath(relative).suffix.lower() not in IMAGE_SUFFIXES:
            left_out["in a folder of images that are none"] += 1
            continue
        labelled += table in files
        boxes = _read_boxes(files[table], table, names) if table in files else ()
        images.append(AnnotatedImage(relative, boxes, is_relative=True))
    if images and not labelled:
        raise DatasetError(
            "Expected a folder labels beside images, with a .txt file for each slice that has a "
            "fracture, found none: export the data set again, with its labels."
        )
    skipped = [SkippedSlices(count, reason) for reason, count in left_out.items()]
    return plan_images(folder, images, fracture_classes, skipped)


def _label_path(relative: str) -> str | None:
    """Return where an image's boxes are; None for a file that is in no folder of images.

    >>> _label_path("train/images/a.png"), _label_path("images/val/b.jpg"), _label_path("c.png")
    ('train/labels/a.txt', 'labels/val/b.txt', None)
    """
    parts = list(PurePosixPath(relative).parts)
    found = [n for n, part in enumerate(parts[:-1]) if part.casefold() == "images"]
    if not found:
        return None
    parts[found[-1]] = "labels"
    return PurePosixPath(*parts).with_suffix(".txt").as_posix()


def _read_names(folder: Path) -> dict[int, str]:
    """Return the name of each class by its number."""
    for name in _NAMES_FILES:
        if (folder / name).is_file():
            return _parse_names(_read_text(folder / name, _MAX_NAMES_BYTES), name)
    if (folder / _CLASSES_FILE).is_file():
        lines = _read_text(folder / _CLASSES_FILE, _MAX_NAMES_BYTES).splitlines()
        return dict(enumerate(line.strip() for line in lines if line.strip()))
    raise DatasetError(
        f"Expected data.yaml or {_CLASSES_FILE} with the names of the classes in {folder.name}, "
        "found neither: put the one of the export there."
    )


def _parse_names(text: str, name: str) -> dict[int, str]:
    import yaml

    try:
        content: Any = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        line = str(error).splitlines()[0]
        raise DatasetError(
            f"{name} is no YAML ({line}): export the data set again, or correct it."
        ) from None
    names = content.get("names") if isinstance(content, dict) else None
    found = dict(enumerate(names)) if isinstance(names, list) else names
    if not (isinstance(found, dict) and found and all(map(_is_name, found.items()))):
        raise DatasetError(
            f"{name}: expected names, a list of class names or a name for each number, found "
            f"{'none' if names is None else 'something else'}."
        )
    return {number: str(title) for number, title in found.items()}


def _is_name(entry: tuple[Any, Any]) -> bool:
    return isinstance(entry[0], int) and isinstance(entry[1], str | int)


def _read_boxes(path: Path, name: str, names: Mapping[int, str]) -> tuple[tuple[str, Box], ...]:
    lines = enumerate(_read_text(path, _MAX_LABEL_BYTES).splitlines(), start=1)
    return tuple(
        _parse_line(line.split(), f"{name} line {number}", names)
        for number, line in lines
        if line.strip()
    )


def _parse_line(words: list[str], where: str, names: Mapping[int, str]) -> tuple[str, Box]:
    """Return class and box of a line; the box in shares of the image, from its top left corner."""
    try:
        number, values = int(float(words[0])), [float(word) for word in words[1:]]
    except (ValueError, OverflowError):
        raise DatasetError(f"{where}: expected numbers, got {' '.join(words)[:60]!r}.") from None
    if number not in names:
        raise DatasetError(f"{where}: expected the number of a class, got {words[0]}.")
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise DatasetError(
            f"{where}: expected centre, width and height of a box, or the corners of a polygon, "
            f"got {len(values)} numbers (predictions with a confidence are no labels)."
        )
    if len(values) == 4:
        x, y, width, height = values
        edges = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    else:
        across, down = values[::2], values[1::2]
        edges = (min(across), min(down), max(across), max(down))
    inside = all(math.isfinite(e) and -_ROUNDING <= e <= 1 + _ROUNDING for e in edges)
    left, top, right, bottom = (min(max(edge, 0.0), 1.0) if inside else 0.0 for edge in edges)
    if not (left < right and top < bottom):
        raise DatasetError(
            f"{where}: expected a box as shares of the image, 0 to 1, got "
            f"{' '.join(words[1:5])}: pixels have to be divided by the image's size."
        )
    return names[number], (left, top, right - left, bottom - top)


def _read_text(path: Path, max_bytes: int) -> str:
    try:
        return reading.read_regular_file(path, max_bytes).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DatasetError(f"{path.name} cannot be read ({reason}): replace it.") from None
