"""From a folder to a data set: every file is read once, grouped, and preprocessed on demand."""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from spinefrac import imaging
from spinefrac.data import group_overrides, groups, input_cache
from spinefrac.data.class_names import strip_class_folders
from spinefrac.data.duplicates import search as duplicates
from spinefrac.data.duplicates.detail_store import DetailStore
from spinefrac.data.duplicates.noise_pattern import make_detail
from spinefrac.data.duplicates.search import Duplicates
from spinefrac.data.file_metadata import FileMetadata, read_file_metadata
from spinefrac.data.folder_layouts import (
    FolderLike,
    FolderListing,
    LabelledFile,
    list_labelled_files,
)
from spinefrac.data.pseudonyms import canonicalize_groups
from spinefrac.errors import ChangedDataError, DatasetError, ImageError
from spinefrac.imaging import decoder_pool
from spinefrac.imaging.hounsfield import BONE_WINDOW
from spinefrac.imaging.sources import Source
from spinefrac.records import (
    CLASS_NAMES,
    CtSlice,
    Dataset,
    GreyImage,
    Item,
    Preprocessing,
    SliceTags,
    Unreadable,
)
from spinefrac.slice_order import SlicePlace, order_slices
from spinefrac.wording import format_count

ProgressCallback = Callable[[int, int], None]

_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class FileReading:
    """What is kept of a file after it was read once.

    `thumbnail` is uint8, shape (THUMBNAIL_SIDE, THUMBNAIL_SIDE); `count` is how many slices the
    file holds; `implausible`, `plane` and `calibrated` are those of `CtSlice`.
    """

    pixel_hash: str
    thumbnail: GreyImage = field(repr=False)
    tags: SliceTags
    count: int
    metadata: FileMetadata = field(repr=False)
    implausible: str = ""
    plane: str = ""
    calibrated: bool = False


@dataclass(frozen=True, slots=True)
class Examination:
    """A data set and what its audit needs beside it.

    Attributes
    ----------
    dataset : Dataset
    duplicates : Duplicates
        Rows are indices into ``dataset.items``.
    thumbnails : uint8 array, shape (N, THUMBNAIL_SIDE, THUMBNAIL_SIDE)
        Whole slices in the bone window, resized to a square.
    metadata : tuple of FileMetadata, length N
        Storage, brightness and header of each file.
    listing : FolderListing
        The files as they were listed before the first was read.
    group_by : str
        The grouping rule that was asked for.
    """

    dataset: Dataset
    duplicates: Duplicates
    thumbnails: GreyImage = field(repr=False)
    metadata: tuple[FileMetadata, ...] = field(repr=False)
    listing: FolderListing = field(repr=False)
    group_by: str


def scan(
    folder: FolderLike,
    *,
    group_by: str = "auto",
    progress: ProgressCallback | None = None,
    allow_scans: bool = False,
) -> Dataset:
    """Read a folder of labelled slices.

    Every file is decoded once. What cannot be read is listed in ``Dataset.unreadable`` and left
    out; what else was left out or merged is counted in ``Dataset.notes`` and named in
    ``Dataset.details``.

    Parameters
    ----------
    folder : path or FolderListing
        In one of the layouts of `spinefrac.data.folder_layouts`; a listing is not made again.
    group_by : str
        ``auto``, ``file`` or ``csv:COLUMN``, see `spinefrac.data.groups.assign_groups`; ``auto``
        applies what `spinefrac.data.group_overrides` holds for the folder.
    progress : callable, optional
        Called with the number of files done and of all files.
    allow_scans : bool
        Whether the labels may be of scans, which `Item.bag` then tells.

    Returns
    -------
    Dataset
        `items` sorted by path.

    Raises
    ------
    DatasetError
        If the layout, the labels or the groups do not fit, or too few files can be read.
    """
    listing = list_labelled_files(folder)
    if not allow_scans and listing.is_of_scans:
        raise DatasetError(
            "Expected labels of slices, got labels of scans: labels.csv has the column study. "
            "spinefrac train and audit take them; for this, label slices with the columns "
            "path,label."
        )
    return examine(listing, group_by=group_by, progress=progress).dataset


def examine(
    folder: FolderLike,
    *,
    group_by: str = "auto",
    progress: ProgressCallback | None = None,
) -> Examination:
    """Read a folder as `scan` does, and return also what its audit needs. See `scan`."""
    listing = list_labelled_files(folder)
    with DetailStore() as details:
        contents = _read_files(listing, details, progress)
        files, readings = contents.files, contents.readings
        named, rule = groups.assign_groups(files, [reading.tags for reading in readings], group_by)
        if group_by == "auto":
            named, rule = group_overrides.apply_overrides(listing.root, files, named, rule)
        hashes = [reading.pixel_hash for reading in readings]
        found = duplicates.find_duplicates(hashes, contents.thumbnails, details, named)
    merged = duplicates.merge_groups(named, found)
    series = tuple(
        groups.derive_series(file, reading.tags)
        for file, reading in zip(files, readings, strict=True)
    )
    places = _place_in_series(files, readings, tuple(zip(merged, series, strict=True)))
    items = tuple(map(_make_item, files, merged, readings, series, places))
    before, after = len(set(named)), len(set(merged))
    if after < before:
        rule += f"; {before} groups became {after}, because some share the same slices"
    return Examination(
        dataset=Dataset(
            root=listing.root,
            items=items,
            group_rule=rule,
            fingerprint=compute_fingerprint(items),
            unreadable=tuple(contents.unreadable),
            notes=(
                *listing.notes,
                *_describe_merges(items, readings, found, before),
                *_describe_contents(readings),
            ),
            details=(
                *listing.details,
                *_name_contradictions(items, found),
                *_name_implausible(files, readings),
            ),
        ),
        duplicates=found,
        thumbnails=contents.thumbnails,
        metadata=tuple(reading.metadata for reading in readings),
        listing=listing,
        group_by=group_by,
    )


def _make_item(
    file: LabelledFile, group: str, reading: FileReading, series: str, position: int
) -> Item:
    return Item(
        file.path,
        file.label,
        group,
        file.split,
        reading.pixel_hash,
        size=reading.metadata.size,
        scanner=reading.metadata.scanner,
        series=series,
        position=position,
        calibrated=reading.calibrated,
        scan=file.study,
        bag=file.bag,
    )


def _place_in_series(
    files: Sequence[LabelledFile], readings: Sequence[FileReading], keys: Sequence[Hashable]
) -> list[int]:
    """Return the place of each slice among those of its key, from 1."""
    rows_of: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        rows_of.setdefault(key, []).append(row)
    places = [0] * len(files)
    for rows in rows_of.values():
        order = order_slices([_get_place(files[row], readings[row].tags) for row in rows])
        for place, index in enumerate(order, start=1):
            places[rows[index]] = place
    return places


def _get_place(file: LabelledFile, tags: SliceTags) -> SlicePlace:
    """Return what header, table and name say of a slice's place; the table precedes a number."""
    try:
        number = float(file.row.get("position", ""))
    except ValueError:
        number = math.nan
    return SlicePlace(
        name=strip_class_folders(file.path),  # slices of both classes are one series
        position_mm=tags.position_mm,
        number=number if math.isfinite(number) else tags.instance_number,
    )


def compute_fingerprint(items: Sequence[Item]) -> str:
    """Return the SHA-256 over path, label, bag, group and pixels of all items, in any order.

    A pseudonym counts as the row where its group begins: the same slices in the same groups
    have one fingerprint in every home.
    """
    digest = hashlib.sha256()
    ordered = sorted(items, key=lambda item: item.path)
    named = canonicalize_groups(item.group for item in ordered)
    for line in sorted(
        "\0".join((i.path, str(i.label), group, i.pixel_hash, *((i.bag,) if i.bag else ())))
        for i, group in zip(ordered, named, strict=True)
    ):
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def load_inputs(
    dataset: Dataset, preprocessing: Preprocessing, progress: ProgressCallback | None = None
) -> GreyImage:
    """Return the preprocessed inputs of all slices, from the cache where it has them.

    Parameters
    ----------
    dataset : Dataset
    preprocessing : Preprocessing
    progress : callable, optional
        Called with the number of slices done and of all slices.

    Returns
    -------
    uint8 array, shape (N, S, S)
        Rows as in ``dataset.items``. Read-only and mapped from disk, so that processes share it;
        held in memory where the cache cannot be written.

    Raises
    ------
    DatasetError
        If a file is gone or has changed since the scan: a `ChangedDataError`.
    """
    shape = (len(dataset.items), preprocessing.size, preprocessing.size)
    path = input_cache.entry_path(dataset, preprocessing)
    cached = input_cache.load_entry(path, shape)
    if cached is None:
        try:
            input_cache.write_entry(path, _iterate_inputs(dataset, preprocessing, progress), shape)
            cached = input_cache.load_entry(path, shape)
        except OSError:  # no room or no right to write: memory will do
            cached = None
    elif progress:
        progress(shape[0], shape[0])
    if cached is None:
        return np.stack(list(_iterate_inputs(dataset, preprocessing, progress)))
    return cached


# --- files ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _FolderContents:
    """The readable files of a folder, what was read of each, and the unreadable ones.

    `thumbnails` is uint8, shape (N, THUMBNAIL_SIDE, THUMBNAIL_SIDE).
    """

    files: list[LabelledFile]
    readings: list[FileReading]
    thumbnails: GreyImage
    unreadable: list[Unreadable]


def _read_files(
    listing: FolderListing, details: DetailStore, progress: ProgressCallback | None
) -> _FolderContents:
    """Read every file once, by threads, and fill `details`; raise where too few can be read."""
    files: list[LabelledFile] = []
    readings: list[FileReading] = []
    unreadable = list(listing.missing)
    # One array for all, filled as files are read: a copy at the end would double the memory.
    side = duplicates.THUMBNAIL_SIDE
    thumbnails = np.empty((len(listing.files), side, side), dtype=np.uint8)
    results = _map_in_order(lambda file: _read_file(listing.root, file), listing.files)
    for done, (file, result) in enumerate(zip(listing.files, results, strict=True), start=1):
        if isinstance(result, Unreadable):
            unreadable.append(result)
        else:
            reading, detail = result
            thumbnails[len(files)] = reading.thumbnail
            readings.append(replace(reading, thumbnail=thumbnails[len(files)]))
            details.append(detail)
            files.append(file)
        if progress:
            progress(done, len(listing.files))
    _check_readable(files, unreadable)
    return _FolderContents(files, readings, thumbnails[: len(files)], unreadable)


def _read_file(root: Path, file: LabelledFile) -> tuple[FileReading, GreyImage] | Unreadable:
    """Read one file; return what is kept of it and its detail, or why it cannot be read; one that
    kills its decoder is such a file."""
    path = root / file.path
    try:
        file.path.encode()
        ct, header = decoder_pool.read_with_header(Source.from_path(path, root), name=path.name)
        image = imaging.to_display(ct, BONE_WINDOW)
        metadata = read_file_metadata(path, ct, image, header)
    except UnicodeEncodeError:
        shown = file.path.encode("utf-8", "backslashreplace").decode()
        return Unreadable(shown, "The file's name is not UTF-8: rename it.")
    except ImageError as error:
        return Unreadable(file.path, str(error))
    except OSError as error:
        return Unreadable(file.path, f"The file cannot be read: {error.strerror or error}.")
    reading = FileReading(
        hash_pixels(ct),
        duplicates.make_thumbnail(image),
        header.tags if header else SliceTags(),
        ct.slice_count,
        metadata,
        ct.implausible,
        ct.plane,
        ct.calibrated,
    )
    return reading, make_detail(image)


def hash_pixels(ct: CtSlice) -> str:
    """Return the SHA-256 of a slice's shape and pixels, as they were read.

    File name, header and transfer syntax are no part of it, as long as the values are the same.
    """
    digest = hashlib.sha256(f"{ct.pixels.shape} {ct.pixels.dtype.str}".encode())
    digest.update(np.ascontiguousarray(ct.pixels).data)
    return digest.hexdigest()


#: Ends a `ChangedDataError`. A run that went on without the file, or with the new one, would
#: have an audit and folds that are not those of its slices.
_START_AGAIN = (
    ", so audit, groups and folds are not of these files: start again, or resume the run, once "
    "nobody writes to the folder; it is then scanned anew"
)


def _iterate_inputs(
    dataset: Dataset, preprocessing: Preprocessing, progress: ProgressCallback | None
) -> Iterator[GreyImage]:
    """Yield the model's input of each item in order, shape (S, S)."""

    def prepare(item: Item) -> GreyImage:
        try:
            path = dataset.root / item.path
            ct = decoder_pool.read(Source.from_path(path, dataset.root), name=path.name)
        except (ImageError, OSError) as error:
            raise ChangedDataError(
                f"{item.path} could be read when the folder was scanned and cannot now "
                f"({error}){_START_AGAIN}"
            ) from None
        if hash_pixels(ct) != item.pixel_hash:
            raise ChangedDataError(
                f"{item.path} has other pixels than when the folder was scanned{_START_AGAIN}"
            )
        return imaging.to_input(ct, preprocessing).pixels

    for done, row in enumerate(_map_in_order(prepare, dataset.items), start=1):
        yield row
        if progress:
            progress(done, len(dataset.items))


def _map_in_order(work: Callable[[_T], _R], items: Sequence[_T]) -> Iterator[_R]:
    """Yield `work` of each item, in order, by threads, a bounded number ahead."""
    workers = min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers, thread_name_prefix="scan") as pool:
        for start in range(0, len(items), 32 * workers):
            yield from pool.map(work, items[start : start + 32 * workers])


# --- checks and notes ----------------------------------------------------------------------


def _check_readable(files: Sequence[LabelledFile], unreadable: Sequence[Unreadable]) -> None:
    """Raise where too few files could be read."""
    counts = Counter(file.label for file in files)
    lost = [name for label, name in enumerate(CLASS_NAMES) if not counts[label]]
    if lost or len(unreadable) > len(files):
        first = unreadable[0]
        what = f"no slice of the class {' and '.join(lost)}" if lost else "fewer than half"
        raise DatasetError(
            f"Of {len(files) + len(unreadable)} files, {what} can be read; the first that cannot "
            f"is {first.path}: {first.reason}"
        )


def _describe_merges(
    items: Sequence[Item], readings: Sequence[FileReading], copies: Duplicates, before: int
) -> Iterator[str]:
    """Describe merged groups, contradicting labels and the slices taken of volumes."""
    after = len({item.group for item in items})
    if after < before:
        yield (
            f"{before} groups became {after}: those that share exact or near duplicates were "
            f"merged ({len(copies.exact)} sets of exact duplicates, {len(copies.near)} pairs of "
            "near duplicates)."
        )
    if contradicting := _find_contradictions(items, copies):
        yield (
            f"{len(contradicting)} slices have duplicates with another label: keep the file with "
            "the correct label."
        )
    volumes = sum(reading.count > 1 for reading in readings)
    if volumes:
        yield f"{volumes} files hold several slices: the middle slice of each is used."


def _describe_contents(readings: Sequence[FileReading]) -> Iterator[str]:
    """Describe values that are no Hounsfield units, and slices of several planes."""
    if implausible := sum(bool(reading.implausible) for reading in readings):
        yield (
            f"{format_count(implausible, 'slice')} of CT without Hounsfield units, by the values "
            "or the header: a window shows them wrong. Export them again, or convert the values."
        )
    planes = Counter(reading.plane for reading in readings if reading.plane)
    if len(planes) > 1:
        counts = " and ".join(f"{n:,} {plane}" for plane, n in planes.most_common())
        yield f"{counts} slices are mixed: train a model on slices of one plane."
    elif planes and "axial" not in planes:
        yield f"The slices are {next(iter(planes))}: the model will fit such slices only."


def _name_implausible(
    files: Sequence[LabelledFile], readings: Sequence[FileReading]
) -> Iterator[str]:
    """Name the first slice whose values are no Hounsfield units."""
    for file, reading in zip(files, readings, strict=True):
        if reading.implausible:
            yield f"Without Hounsfield units, such as {file.path}: {reading.implausible}."
            return


def _find_contradictions(items: Sequence[Item], copies: Duplicates) -> list[Sequence[int]]:
    """Return the rows of each set of exact duplicates that have different labels."""
    return [rows for rows in copies.exact if len({items[row].label for row in rows}) > 1]


def _name_contradictions(items: Sequence[Item], copies: Duplicates) -> Iterator[str]:
    """Name the first slices that have duplicates with another label."""
    if contradicting := _find_contradictions(items, copies):
        shown = " and ".join(items[row].path for row in contradicting[0][:2])
        yield f"Duplicates with another label, such as {shown}."
