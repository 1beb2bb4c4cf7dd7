"""Images with boxes of named classes, as tools for object detection write them: YOLO and COCO.

A slice with a box of a class that means a fracture is a fracture. One without is normal, which
holds only where every fracture was marked, so the import says it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from spinefrac.data.class_names import normalise_name, parse_class_label
from spinefrac.data.importers.plan import (
    Box,
    ImportPlan,
    ImportSelection,
    PlannedSlice,
    SkippedSlices,
    copy_file,
)
from spinefrac.errors import DatasetError, ImageError
from spinefrac.imaging import decoder_pool
from spinefrac.imaging.sources import Source
from spinefrac.wording import format_count

#: Suffixes of the files that are taken for slices.
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".dcm")

#: A class such as "C5 compression fracture", but none that denies it.
_NAMES_FRACTURE = re.compile(r"\b(?:fractures?|fractured|frac|fx)\b")
_DENIES = re.compile(r"\b(?:no|non|not|without|healed|old)\b")


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """An image below the source's folder.

    Attributes
    ----------
    path : str
        Relative to the folder, with forward slashes.
    boxes : tuple of (class name, Box)
    is_relative : bool
        Whether the boxes are shares of the image's width and height instead of pixels.
    size : (width, height) or None
        In pixels, as the annotations have it.
    """

    path: str
    boxes: tuple[tuple[str, Box], ...]
    is_relative: bool = False
    size: tuple[int, int] | None = None


def require_no_selection(selection: ImportSelection) -> None:
    """Refuse to choose among patients, whom these formats do not name."""
    if selection.studies is not None or selection.per_study is not None:
        raise DatasetError(
            "Expected no --studies and no --per-study: the annotations do not name patients, so "
            "import all slices."
        )


def find_fracture_classes(names: Iterable[str]) -> frozenset[str]:
    """Return the classes that mean a fracture.

    Raises
    ------
    DatasetError
        If none does.
    """
    known = sorted(set(names))
    found = frozenset(name for name in known if _means_fracture(name))
    if not found:
        shown = ", ".join(map(repr, known[:8])) or "none"
        raise DatasetError(
            f"Expected a class that means a fracture, such as 'fracture', found {shown}: rename "
            "the class in the source."
        )
    return found


def _means_fracture(name: str) -> bool:
    label = parse_class_label(name)
    if label is not None:
        # A number alone is the index of a class, not an answer.
        return label == 1 and not name.strip().isdigit()
    words = normalise_name(name)
    return bool(_NAMES_FRACTURE.search(words)) and not _DENIES.search(words)


def plan_images(
    folder: Path,
    images: Sequence[AnnotatedImage],
    fracture_classes: frozenset[str],
    skipped: Sequence[SkippedSlices] = (),
) -> ImportPlan:
    """Return the slices to write.

    Parameters
    ----------
    folder : Path
    images : sequence of AnnotatedImage
    fracture_classes : frozenset of str
    skipped : sequence of SkippedSlices
        What the reader of the annotations left out.
    """
    if not images:
        reasons = "; ".join(f"{format_count(s.count, 'file')} {s.reason}" for s in skipped)
        raise DatasetError(
            f"Expected annotated images, found none. Left out: {reasons or 'nothing'}."
        )
    return ImportPlan(
        len(images),
        _iterate_entries(folder, images, fracture_classes, skipped),
        _describe(images, fracture_classes),
    )


def _describe(
    images: Sequence[AnnotatedImage], fracture_classes: frozenset[str]
) -> tuple[str, ...]:
    boxes = Counter(name for image in images for name, _ in image.boxes)
    without = sum(not any(n in fracture_classes for n, _ in image.boxes) for image in images)
    others = {name: count for name, count in boxes.items() if name not in fracture_classes}
    notes = [f"Classes that mean a fracture: {', '.join(sorted(fracture_classes))}."]
    if others:
        shown = ", ".join(f"{name} ({count})" for name, count in sorted(others.items())[:8])
        notes.append(f"Boxes of other classes are not fractures: {shown}.")
    if without:
        notes.append(
            f"{format_count(without, 'slice')} without a box of a fracture count as normal: that "
            "is right only if every fracture was marked."
        )
    return tuple(notes)


def _iterate_entries(
    folder: Path,
    images: Sequence[AnnotatedImage],
    fracture_classes: frozenset[str],
    skipped: Sequence[SkippedSlices],
) -> Iterator[Sequence[PlannedSlice | SkippedSlices]]:
    for number, image in enumerate(images):
        own = tuple(box for name, box in image.boxes if name in fracture_classes)
        try:
            boxes = _to_pixels(folder, image, own)
        except ImageError as error:
            yield [SkippedSlices(1, f"that cannot be read ({error})")]
            continue
        yield [
            PlannedSlice(
                str(PurePosixPath(image.path)),
                int(bool(own)),
                "",
                number,
                boxes,
                partial(copy_file, folder / image.path),
            )
        ]
    if skipped:
        yield list(skipped)


def _to_pixels(folder: Path, image: AnnotatedImage, boxes: tuple[Box, ...]) -> tuple[Box, ...]:
    """Return boxes in the image's own pixels; only an image with boxes is opened."""
    if not boxes:
        return ()
    path = folder / image.path
    try:
        rows, columns = decoder_pool.read(
            Source.from_path(path, folder), name=path.name
        ).pixels.shape
    except OSError as error:
        raise ImageError(f"{path.name}: {error.strerror or error}") from error
    if image.size not in (None, (columns, rows)):
        raise ImageError(
            f"{path.name}: {columns}×{rows} pixels, but its annotations are for "
            f"{'×'.join(map(str, image.size or ()))}"
        )
    across, down = (columns, rows) if image.is_relative else (1, 1)
    return tuple((x * across, y * down, w * across, h * down) for x, y, w, h in boxes)
