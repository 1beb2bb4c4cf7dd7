"""What a folder holds at first sight: files by class and a few of their slices.

Only names are listed and a handful of files decoded, so it takes a moment where `scan`, which
reads everything, takes minutes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from spinefrac import imaging
from spinefrac.data.folder_layouts import LabelledFile, list_files
from spinefrac.errors import ImageError
from spinefrac.records import CLASS_NAMES, GreyImage

#: Slices shown of each class, and files tried for one of them before it is given up.
EXAMPLES, _TRIES = 5, 3
#: Longest side of an example, in pixels.
SIDE = 192


@dataclass(frozen=True, slots=True)
class Example:
    """One slice of a class: `picture` is uint8, shape (H, W), its longer side `SIDE` pixels."""

    path: str
    label: int
    picture: GreyImage = field(repr=False)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a folder's names say, and slices spread evenly over each class.

    Attributes
    ----------
    files : tuple of int, length 2
        Files of each class, the index is the label.
    splits : mapping of str to int
        Files of ``train``, ``val`` and ``test``, where the folder has such a level.
    columns : tuple of str
        Of ``labels.csv``, where there is one: what slices can be grouped by.
    notes : tuple of str
        What was left out or merged.
    examples : tuple of Example
        At most `EXAMPLES` of each class; files that cannot be read are passed over.
    """

    files: tuple[int, ...]
    splits: dict[str, int]
    columns: tuple[str, ...]
    notes: tuple[str, ...]
    examples: tuple[Example, ...]

    @property
    def images(self) -> int:
        return sum(self.files)


def look(folder: str | os.PathLike[str]) -> Contents:
    """Look at a folder of labelled slices without reading all of it.

    Parameters
    ----------
    folder : path
        In one of the layouts of `spinefrac.data.folder_layouts`.

    Raises
    ------
    DatasetError
        The folder is missing or empty, has none of the layouts, or holds one class only.
    """
    listing = list_files(folder)
    counts = Counter(file.label for file in listing.files)
    return Contents(
        files=tuple(counts[label] for label in range(len(CLASS_NAMES))),
        splits=dict(Counter(file.split for file in listing.files if file.split)),
        columns=tuple(name for name in listing.files[0].row if name not in ("path", "label")),
        notes=listing.notes,
        examples=tuple(_examples(listing.root, listing.files)),
    )


def _examples(root: Path, files: Sequence[LabelledFile]) -> Iterator[Example]:
    """Yield slices of the class with fractures, then of the other, spread over the files."""
    for label in (1, 0):
        own = [file for file in files if file.label == label]
        step = max(1, len(own) // EXAMPLES)
        for start in range(0, step * min(EXAMPLES, len(own)), step):
            for file in own[start : start + min(step, _TRIES)]:
                try:
                    yield Example(file.path, label, _small(root / file.path))
                    break
                except (ImageError, OSError):
                    continue


def _small(path: Path) -> GreyImage:
    grey = imaging.display(imaging.read(path))
    factor = SIDE / max(grey.shape)
    size = [max(1, round(length * factor)) for length in grey.shape[::-1]]
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
