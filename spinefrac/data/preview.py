"""A preview of a folder: files by class and a few example slices.

Only names are listed and a few files decoded, so it takes a moment where `scan`, which reads
every file, takes minutes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from spinefrac import imaging
from spinefrac.data.folder_layouts import FolderLike, LabelledFile, list_labelled_files
from spinefrac.errors import ImageError
from spinefrac.imaging import decoder_pool
from spinefrac.imaging.sources import Source
from spinefrac.records import CLASS_NAMES, GreyImage

#: Slices shown of each class, and files tried for one of them before it is given up.
EXAMPLES_PER_CLASS, _MAX_ATTEMPTS = 5, 3
#: Longest side of an example, in pixels.
EXAMPLE_SIDE = 192


@dataclass(frozen=True, slots=True)
class ExampleSlice:
    """One slice of a class.

    `image` is uint8, shape (H, W), its longer side `EXAMPLE_SIDE` pixels.
    """

    path: str
    label: int
    image: GreyImage = field(repr=False)


@dataclass(frozen=True, slots=True)
class FolderPreview:
    """The contents of a folder by its file names, and examples spread evenly over each class.

    Attributes
    ----------
    class_counts : tuple of int, length 2
        Files of each class, the index is the label.
    split_counts : mapping of str to int
        Files of ``train``, ``val`` and ``test``, where the folder has such a level.
    columns : tuple of str
        Of ``labels.csv``, where there is one: what slices can be grouped by.
    notes, details : tuple of str
        What was left out or merged, by number and by name.
    examples : tuple of ExampleSlice
        At most `EXAMPLES_PER_CLASS` of each class; files that cannot be read are skipped.
    """

    class_counts: tuple[int, ...]
    split_counts: dict[str, int]
    columns: tuple[str, ...]
    notes: tuple[str, ...]
    details: tuple[str, ...]
    examples: tuple[ExampleSlice, ...]

    @property
    def image_count(self) -> int:
        return sum(self.class_counts)


def preview_folder(folder: FolderLike) -> FolderPreview:
    """Preview a folder of labelled slices without reading all of it.

    Parameters
    ----------
    folder : path or FolderListing
        In one of the layouts of `spinefrac.data.folder_layouts`; a listing is not made again.

    Raises
    ------
    DatasetError
        The folder is missing or empty, has none of the layouts, or holds one class only.
    """
    listing = list_labelled_files(folder)
    counts = Counter(file.label for file in listing.files)
    return FolderPreview(
        class_counts=tuple(counts[label] for label in range(len(CLASS_NAMES))),
        split_counts=dict(Counter(file.split for file in listing.files if file.split)),
        columns=tuple(name for name in listing.files[0].row if name not in ("path", "label")),
        notes=listing.notes,
        details=listing.details,
        examples=tuple(_examples(listing.root, listing.files)),
    )


def _examples(root: Path, files: Sequence[LabelledFile]) -> Iterator[ExampleSlice]:
    """Yield slices of the class with fractures, then of the other, spread over the files."""
    for label in (1, 0):
        own = [file for file in files if file.label == label]
        step = max(1, len(own) // EXAMPLES_PER_CLASS)
        for start in range(0, step * min(EXAMPLES_PER_CLASS, len(own)), step):
            for file in own[start : start + min(step, _MAX_ATTEMPTS)]:
                try:
                    yield ExampleSlice(
                        file.path, label, _read_example_image(root / file.path, root)
                    )
                    break
                except (ImageError, OSError):
                    continue


def _read_example_image(path: Path, root: Path) -> GreyImage:
    ct = decoder_pool.read(Source.from_path(path, root), name=path.name)
    grey = imaging.to_display(ct)
    factor = EXAMPLE_SIDE / max(grey.shape)
    size = [max(1, round(length * factor)) for length in grey.shape[::-1]]
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
