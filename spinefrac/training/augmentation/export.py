"""Augmented copies as files, each linked to its source by its name and in a table.

A copy is the model input of one epoch: preprocessed, then augmented. Its name is that of the
source with ``-augmented`` and the epoch, which the audit recognises as a copy; in ``labels.csv``
it has the label and the group of the source, so that no fold can separate the two.
"""

from __future__ import annotations

import csv
import io
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2

from spinefrac.data.groups import augmented_name, original_stem
from spinefrac.data.scan import load_inputs, scan
from spinefrac.errors import DatasetError
from spinefrac.records import Dataset, GreyImage, Preprocessing, Unreadable
from spinefrac.system import atomic
from spinefrac.training.augmentation.config import AugmentationConfig
from spinefrac.training.augmentation.transforms import Augmenter
from spinefrac.training.augmentation.yaml_io import to_yaml

#: Largest number of copies of one slice.
MAX_COPIES = 1000

_CLASS_NAMES = ("normal", "fracture")
_COLUMNS = ("path", "label", "patient", "source", "epoch")


@dataclass(frozen=True, slots=True)
class ExportResult:
    """The result of an export.

    Attributes
    ----------
    folder : Path
    slices, copies : int
        Number of sources, each written as its model input, and of augmented copies.
    unreadable : tuple of Unreadable
        Sources that cannot be read.
    """

    folder: Path
    slices: int
    copies: int
    unreadable: tuple[Unreadable, ...]


def export_augmented_copies(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    config: AugmentationConfig,
    *,
    copies: int = 4,
    seed: int = 0,
    preprocessing: Preprocessing | None = None,
    group_by: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> ExportResult:
    """Write a data set of the slices as model inputs, with augmented copies.

    Parameters
    ----------
    folder : path
        Labelled slices, in one of the layouts of `spinefrac.data.scan`.
    out : path
        New folder, outside `folder`; it appears when it is complete. It keeps the layout of
        `folder`, with ``labels.csv`` and ``augmentation.yaml`` added.
    config : AugmentationConfig
    copies : int
        Of each slice; copy *n* is the input of epoch *n* in a run with this seed.
    seed : int
    preprocessing : Preprocessing, optional
        The default of training if not given.
    group_by : str
        See `spinefrac.data.scan.scan`.
    progress : callable, optional
        Called with the number of slices done and of all.

    Returns
    -------
    ExportResult

    Raises
    ------
    DatasetError
        The folder cannot be used, two names would be equal, or `out` exists or is not writable.
    """
    target = Path(out).expanduser().absolute()
    _require_new_target(Path(folder).expanduser(), target)
    _require_valid_count(copies)
    dataset = scan(folder, group_by=group_by)
    _require_unique_names(dataset)
    inputs = load_inputs(dataset, preprocessing or Preprocessing())
    with _name_write_errors(), atomic.new_folder(target) as unfinished:
        _write_copies(unfinished, dataset, inputs, Augmenter(config, seed), copies, progress)
    count = len(dataset.items)
    return ExportResult(target, count, count * copies, tuple(dataset.unreadable))


def _require_valid_count(copies: int) -> None:
    if not 1 <= copies <= MAX_COPIES:
        raise DatasetError(f"expected 1 to {MAX_COPIES} copies of each slice, got {copies}")


@contextmanager
def _name_write_errors() -> Iterator[None]:
    """Turn a failed write into an error with a way out."""
    try:
        yield
    except OSError as error:
        raise DatasetError(
            f"the copies cannot be written ({error.strerror}): make room, or choose another folder"
        ) from error


def _write_copies(
    folder: Path,
    dataset: Dataset,
    inputs: GreyImage,
    augmenter: Augmenter,
    copies: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Write images, ``labels.csv`` and ``augmentation.yaml``; `inputs` has shape (N, S, S)."""
    rows: list[tuple[str, str, str, str, str]] = []
    for index, (item, pixels) in enumerate(zip(dataset.items, inputs, strict=True)):
        images = _iterate_copies(item.path, pixels, augmenter, index, copies)
        for epoch, (path, image) in enumerate(images):
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(_encode_png(image))
            rows.append((path, _CLASS_NAMES[item.label], item.group, item.path, str(epoch or "")))
        if progress:
            progress(index + 1, len(dataset.items))
    _write_labels_csv(folder / "labels.csv", rows)
    head = f"# {copies} copies of each slice, as a run with seed {augmenter.seed} sees them.\n"
    (folder / "augmentation.yaml").write_text(head + to_yaml(augmenter.config), encoding="utf-8")


def export_slice_zip(
    pixels: GreyImage, config: AugmentationConfig, seed: int, index: int, copies: int, name: str
) -> bytes:
    """Return one slice, its copies and the configuration as the bytes of a ZIP file.

    Parameters
    ----------
    pixels : uint8 array, shape (S, S)
    config, seed, index, copies
        As in `export_augmented_copies`.
    name : str
        Of the source, for the names in the file.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:  # PNG is compressed already
        augmenter = Augmenter(config, seed)
        for path, image in _iterate_copies(name, pixels, augmenter, index, copies):
            archive.writestr(path, _encode_png(image))
        archive.writestr("augmentation.yaml", f"# seed {seed}, slice {index}\n{to_yaml(config)}")
    return stream.getvalue()


def _iterate_copies(
    source: str, pixels: GreyImage, augmenter: Augmenter, index: int, copies: int
) -> Iterator[tuple[str, GreyImage]]:
    """Yield the path and the pixels of a slice, then of its copies in the epochs from 1."""
    parent = PurePosixPath(source).parent
    first = augmented_name(source, 0).replace("-augmented0.png", ".png")
    yield (parent / first).as_posix(), pixels
    for epoch in range(1, copies + 1):
        path = (parent / augmented_name(source, epoch)).as_posix()
        yield path, augmenter(pixels, epoch, index)


def _require_new_target(folder: Path, target: Path) -> None:
    """Raise where the copies would lie among the sources, or replace something."""
    if target.resolve().is_relative_to(folder.resolve()):
        raise DatasetError(
            "expected a folder outside the data set for the copies, got one inside it: they would "
            "be taken for slices of their own"
        )
    if os.path.lexists(target):
        raise DatasetError(f"{target.name} exists already: name a new folder for the copies")


def _require_unique_names(dataset: Dataset) -> None:
    """Raise where a copy's name would not lead to its source, or lead to two of them."""
    unbound = [
        path
        for path in dataset.paths
        if original_stem(augmented_name(path, 1)) != original_stem(path)
    ]
    if unbound:
        raise DatasetError(
            f"the copies of {unbound[0]} could not be distinguished from other slices by "
            "their names: rename it so that it ends with a letter or a digit"
        )
    places = [
        (PurePosixPath(path).parent / augmented_name(path, 1)).as_posix().casefold()
        for path in dataset.paths
    ]
    count = Counter(places)
    twice = [path for path, place in zip(dataset.paths, places, strict=True) if count[place] > 1]
    if twice:
        raise DatasetError(
            f"the copies of {twice[0]} and {twice[1]} would get the same names: rename one of them"
        )


def _write_labels_csv(path: Path, rows: list[tuple[str, str, str, str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(_COLUMNS)
        writer.writerows(rows)


def _encode_png(image: GreyImage) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()
