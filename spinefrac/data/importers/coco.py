"""A data set of COCO: images, and JSON files with images, annotations and categories.

The files are ``annotations/*.json``, or ``_annotations.coco.json`` beside the images of each
split, or any ``.json`` on top that has the three lists.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

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

_MAX_BYTES = 2**28
_LISTS = ("images", "annotations", "categories")


@dataclass(frozen=True, slots=True)
class _Image:
    id: int | str
    file_name: str
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class _Annotation:
    image_id: int | str
    category_id: int | str
    bbox: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Category:
    id: int | str
    name: str


@dataclass(frozen=True, slots=True)
class _Content:
    images: tuple[_Image, ...]
    annotations: tuple[_Annotation, ...]
    categories: tuple[_Category, ...]


def plan_import(folder: Path, selection: ImportSelection) -> ImportPlan:
    """Return the slices of a data set of COCO.

    Raises
    ------
    DatasetError
        If there is no file of annotations, one is not what it should be, or no category means a
        fracture.
    """
    require_no_selection(selection)
    folder = folder.resolve()
    paths = [path.relative_to(folder).as_posix() for path, _ in read_tree(folder).iterate_files()]
    contents = _read_contents(folder, sorted(p for p in paths if p.lower().endswith(".json")))
    fracture_classes = find_fracture_classes(
        category.name for _, content in contents for category in content.categories
    )
    files = _ImageFiles(paths)
    images: dict[str, AnnotatedImage] = {}
    missing = 0
    for table, content in contents:
        boxes = _collect_boxes(table, content)
        for image in content.images:
            path = files.find(image.file_name, PurePosixPath(table))
            if path is None:
                missing += 1
                continue
            earlier = images[path].boxes if path in images else ()
            size = (image.width, image.height) if image.width and image.height else None
            images[path] = AnnotatedImage(path, (*earlier, *boxes[image.id]), size=size)
    skipped = [SkippedSlices(missing, "that the annotations name and the folder lacks")]
    ordered = [images[path] for path in sorted(images)]
    return plan_images(folder, ordered, fracture_classes, skipped if missing else ())


def _read_contents(folder: Path, tables: Sequence[str]) -> list[tuple[str, _Content]]:
    """Read every JSON file that has the three lists; other JSON files are no annotations."""
    found = []
    for table in tables:
        name = PurePosixPath(table).name
        try:
            value = reading.parse_json(
                reading.read_regular_file(folder / table, _MAX_BYTES), max_bytes=_MAX_BYTES
            )
            if isinstance(value, dict) and all(key in value for key in _LISTS):
                found.append((table, reading.convert(value, _Content)))
        except (OSError, reading.UnreadableContentError) as error:
            raise DatasetError(
                f"{name} is not what COCO writes ({error}): export the data set again."
            ) from None
    if not found:
        raise DatasetError(
            f"Expected a JSON file with the lists {', '.join(_LISTS)} in {folder.name}, found "
            "none: give the folder of a COCO export."
        )
    return found


def _collect_boxes(table: str, content: _Content) -> dict[int | str, list[tuple[str, Box]]]:
    """Return class and box of each annotation by the image it belongs to."""
    name = PurePosixPath(table).name
    names = {category.id: category.name for category in content.categories}
    known = {image.id for image in content.images}
    boxes: dict[int | str, list[tuple[str, Box]]] = defaultdict(list)
    for number, entry in enumerate(content.annotations, start=1):
        where = f"{name}, annotation {number}"
        if entry.category_id not in names or entry.image_id not in known:
            part = "image" if entry.category_id in names else "category"
            raise DatasetError(f"{where}: its {part} is not in the list of them; export again.")
        x, y, width, height = entry.bbox
        if not (width > 0 and height > 0):
            raise DatasetError(
                f"{where}: expected left, top, width and height of a box, got {entry.bbox}."
            )
        boxes[entry.image_id].append((names[entry.category_id], (x, y, width, height)))
    return boxes


class _ImageFiles:
    """The images of a folder, found by the names that annotations have for them."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = {path for path in paths if path.lower().endswith(IMAGE_SUFFIXES)}
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for path in self._paths:
            self._by_name[PurePosixPath(path).name].append(path)

    def find(self, written: str, table: PurePosixPath) -> str | None:
        """Return an image's path: beside its table, on top, or the only one of its name.

        Of several with its name it is the one whose folder the table is called after, as
        ``instances_val2017.json``.
        """
        asked = PurePosixPath(written.replace("\\", "/"))
        for candidate in (table.parent / asked, asked, PurePosixPath("images") / asked):
            if candidate.as_posix() in self._paths:
                return candidate.as_posix()
        named = self._by_name.get(asked.name, [])
        if len(named) > 1:
            named = [path for path in named if PurePosixPath(path).parent.name in table.stem]
        return named[0] if len(named) == 1 else None
