"""Where the fractures are: boxes and masks of a data set, on the grid of the model's input.

Boxes come from ``boxes.csv`` or RSNA's own table (`spinefrac.data.boxes`), masks from a folder
``masks`` of images with the names of the slices, in which a fracture is not black.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from spinefrac import imaging
from spinefrac.data.boxes import Box, read_boxes
from spinefrac.errors import DatasetError, ImageError
from spinefrac.imaging import decoder_pool
from spinefrac.imaging.sources import Source
from spinefrac.records import CtSlice, Dataset, GreyImage, Item, Preprocessing, Square

MASKS_FOLDER = "masks"
_MASK_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg")

#: Values of a map: 0 where there is no fracture, 1 … `MAX_BOXES` inside a box (somewhere in it),
#: `MASK` on a fracture.
MASK = 255
MAX_BOXES = 8


@dataclass(frozen=True)
class PlaceMaps:
    """The places of the fractures in some slices.

    Attributes
    ----------
    rows : int64 array, shape (M,)
        Indices into the data set, ascending.
    maps : uint8 array, shape (M, S, S)
        On the grid of the model's input; see `MASK` and `MAX_BOXES`.
    """

    rows: npt.NDArray[np.int64]
    maps: GreyImage

    @property
    def n_masks(self) -> int:
        """Slices whose place is a mask."""
        return int((self.maps == MASK).any(axis=(1, 2)).sum())


def load_places(dataset: Dataset, preprocessing: Preprocessing) -> PlaceMaps | None:
    """Return the places of a data set; None where it has none.

    Only slices with the label fracture are looked at. Where a slice has a mask, its boxes are not
    needed. What lies outside the model's input is left out.

    Raises
    ------
    DatasetError
        If ``boxes.csv`` is damaged, or a mask cannot be read or is not of the slice's size.
    """
    boxes, masks = read_boxes(dataset.root), _list_masks(dataset)
    marked = [
        row
        for row, item in enumerate(dataset.items)
        if item.label == 1 and (item.path in boxes or row in masks)
    ]

    def draw(row: int) -> GreyImage:
        return _draw_place(dataset.root, dataset.items[row], masks.get(row), boxes, preprocessing)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="places") as pool:
        maps = list(pool.map(draw, marked))
    inside = [number for number, drawn in enumerate(maps) if drawn.any()]
    if not inside:
        return None
    return PlaceMaps(np.array(marked)[inside], np.stack([maps[number] for number in inside]))


def describe_places(places: PlaceMaps, dataset: Dataset) -> str:
    """Return one sentence on what is marked, for the log and the card."""
    fractures = int(dataset.labels.sum())
    boxed = len(places.rows) - places.n_masks
    counts = ((places.n_masks, "by a mask"), (boxed, "by boxes"))
    kinds = " and ".join(f"{count} {kind}" for count, kind in counts if count)
    return (
        f"The place of the fracture is marked in {len(places.rows)} of {fractures} fracture slices "
        f"({kinds}): it supervises the training beside the labels."
    )


def _list_masks(dataset: Dataset) -> dict[int, Path]:
    """Return the mask of each row; names that several slices have are left out."""
    folder = dataset.root / MASKS_FOLDER
    if not folder.is_dir():
        return {}
    names = [PurePosixPath(item.path).stem for item in dataset.items]
    count = Counter(names)
    files = {
        path.stem: path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in _MASK_SUFFIXES and path.is_file()
    }
    return {row: files[n] for row, n in enumerate(names) if n in files and count[n] == 1}


def _draw_place(
    root: Path,
    item: Item,
    mask: Path | None,
    boxes: Mapping[str, tuple[Box, ...]],
    preprocessing: Preprocessing,
) -> GreyImage:
    """Return the map of one slice, shape (S, S)."""
    ct = _read(root, root / item.path)
    square = imaging.to_input(ct, preprocessing).square
    if mask is None:
        return draw_boxes(boxes[item.path], square, preprocessing.size)
    marked = _read(root, mask).pixels
    if marked.shape != ct.pixels.shape:
        raise DatasetError(
            f"Expected {MASKS_FOLDER}/{mask.name} to be of the size of its slice, "
            f"{_format_size(ct.pixels)}, got {_format_size(marked)}: export it again, or train "
            "without the setting places."
        )
    return draw_mask(marked > 0, square, preprocessing.size)


def draw_boxes(boxes: tuple[Box, ...], square: Square, size: int) -> GreyImage:
    """Return the map of boxes on the model's input, uint8 (size, size).

    Each pixel that a box touches has the box's number; beyond `MAX_BOXES` numbers begin again.
    """
    drawn = np.zeros((size, size), np.uint8)
    scale = size / square.side
    for index, (x, y, width, height) in enumerate(boxes):
        left, top = (x - square.left) * scale, (y - square.top) * scale
        edges = (top, top + height * scale, left, left + width * scale)
        if not np.isfinite(edges).all():
            continue
        first_row, last_row, first, last = np.clip(edges, 0, size)
        rows = slice(int(first_row), int(np.ceil(last_row)))
        drawn[rows, int(first) : int(np.ceil(last))] = 1 + index % MAX_BOXES
    return drawn


def draw_mask(mask: npt.NDArray[np.bool_], square: Square, size: int) -> GreyImage:
    """Return the map of a mask (H, W) on the model's input, uint8 (size, size).

    A pixel with any part of the fracture counts, so that thin lines stay whole.
    """
    rows, columns = np.nonzero(mask)
    drawn = np.zeros((size, size), np.uint8)
    scale = size / square.side
    reach = max(1, int(np.ceil(scale)))  # pixels of the input that one of the slice covers
    for step_down, step_right in np.ndindex(reach, reach):
        down = np.floor((rows - square.top + step_down / reach) * scale).astype(np.int64)
        right = np.floor((columns - square.left + step_right / reach) * scale).astype(np.int64)
        inside = (down >= 0) & (down < size) & (right >= 0) & (right < size)
        drawn[down[inside], right[inside]] = MASK
    return drawn


def _read(root: Path, path: Path) -> CtSlice:
    try:
        return decoder_pool.read(Source.from_path(path, root), name=path.name)
    except (ImageError, OSError) as error:
        raise DatasetError(
            f"{path.relative_to(root).as_posix()} marks or holds a fracture and cannot be read "
            f"({error}): replace the file, or train without the setting places."
        ) from None


def _format_size(pixels: npt.NDArray[np.generic]) -> str:
    return f"{pixels.shape[1]}×{pixels.shape[0]}"
