"""NIfTI volumes with a table, as VerSe has them: each slice becomes a NIfTI file of its own.

The table labels either slices or vertebrae:

* ``file,first,last,label[,patient]`` (or ``slice`` for both): positions from foot, left or back;
* ``subject,vertebra,grade``: grade 0 is no fracture, 1 to 3 a fracture (Genant). Which slice cuts
  which vertebra comes from the mask ``<subject>…_seg-vert_msk.nii.gz``, numbered as in VerSe
  (Sekuboyina et al., 2021): 1-7 C1-C7, 8-19 T1-T12, 20-25 L1-L6, 28 T13.

By vertebra, a slice is a fracture where it cuts a fractured vertebra at half of its largest
section or more, and normal where it cuts vertebrae without fracture so and no fractured or
ungraded one at all.
The box of a fracture is that of its vertebra's mask.
"""

from __future__ import annotations

import gzip
import random
import tempfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from spinefrac.data.class_names import parse_class_label
from spinefrac.data.importers.plan import (
    Box,
    ImportPlan,
    ImportSelection,
    PlannedSlice,
    SkippedSlices,
    sample_evenly,
)
from spinefrac.data.listed_files import ListedFiles
from spinefrac.data.tables import read_table
from spinefrac.errors import DatasetError, ImageError
from spinefrac.imaging import decoder_pool
from spinefrac.imaging.limits import check_file_size
from spinefrac.imaging.system_files import is_system_file
from spinefrac.records import CtSlice

#: Share of a vertebra's largest section from which a slice shows it.
MIN_SECTION_SHARE = 0.5

_VERTEBRA_NUMBERS = (
    {f"c{n}": n for n in range(1, 8)}
    | {f"t{n}": n + 7 for n in range(1, 13)}
    | {f"l{n}": n + 19 for n in range(1, 7)}
    | {"t13": 28}
)
_PARTIAL_SECTION_REASON = (
    "that cut a graded vertebra at less than half of its largest section, or none"
)
_UNGRADED_REASON = "that cut a vertebra without a grade"


@dataclass
class _VolumeLabels:
    """The table's rows on one volume: labels of slices, or grades of vertebrae."""

    patient: str
    labels: dict[int, int] = field(default_factory=dict)
    grades: dict[int, int] = field(default_factory=dict)
    mask: Path | None = None

    @property
    def is_fractured(self) -> bool:
        return any(self.labels.values()) or any(self.grades.values())


def plan_import(folder: Path, table: Path, selection: ImportSelection, axis: int) -> ImportPlan:
    """Return the volumes that a table names.

    Raises
    ------
    DatasetError
        If the table lacks a column, or names what is not there.
    """
    rows = read_table(table, ())
    names = set(rows[0][1]) if rows else set()
    if {"file", "label"} <= names and ("slice" in names or {"first", "last"} <= names):
        volumes = _read_slice_table(folder, table, rows)
    elif {"subject", "vertebra", "grade"} <= names:
        volumes = _read_vertebra_table(folder, table, rows)
    else:
        raise DatasetError(
            f"{table.name}: expected the columns file,first,last,label or file,slice,label or "
            f"subject,vertebra,grade, found {','.join(sorted(names)) or 'no row'}."
        )
    taken = _sample_volumes(volumes, selection)
    return ImportPlan(len(taken), _iterate_volumes(taken, volumes, selection, axis))


def _read_slice_table(
    folder: Path, table: Path, rows: list[tuple[int, dict[str, str]]]
) -> dict[Path, _VolumeLabels]:
    volumes: dict[Path, _VolumeLabels] = {}
    files = ListedFiles(folder)
    for line, row in rows:
        where = f"{table.name} line {line}"
        file = _find_volume(files, folder, row["file"], where)
        label = parse_class_label(row["label"])
        if label is None:
            raise DatasetError(
                f"{where}: unknown label {row['label']!r}, expected fracture, normal."
            )
        first = _parse_whole_number(row.get("first") or row.get("slice", ""), where)
        last = _parse_whole_number(row.get("last") or str(first), where)
        volume = volumes.setdefault(file, _VolumeLabels(row.get("patient") or _stem(file)))
        for position in range(first, last + 1):
            if volume.labels.setdefault(position, label) != label:
                raise DatasetError(f"{where}: slice {position} has both labels, keep one.")
    return volumes


def _find_volume(files: ListedFiles, folder: Path, written: str, where: str) -> Path:
    try:
        path = files.find(written)
    except ValueError:
        path = None
    if path is None:
        raise DatasetError(f"{where}: there is no volume {written} in the folder.")
    return folder.resolve() / path


def _read_vertebra_table(
    folder: Path, table: Path, rows: list[tuple[int, dict[str, str]]]
) -> dict[Path, _VolumeLabels]:
    grades: dict[str, dict[int, int]] = defaultdict(dict)
    for line, row in rows:
        where = f"{table.name} line {line}"
        name = row["vertebra"].casefold()
        number = (
            _VERTEBRA_NUMBERS[name]
            if name in _VERTEBRA_NUMBERS
            else _parse_whole_number(name, where)
        )
        grades[row["subject"].removeprefix("sub-")][number] = _parse_whole_number(
            row["grade"], where
        )
    masks = {_stem(path): path for path in _iterate_files(folder, "*_seg-vert_msk.nii*")}
    volumes: dict[Path, _VolumeLabels] = {}
    for file in _iterate_files(folder, "*_ct.nii*"):
        subject = file.name.split("_", 1)[0].removeprefix("sub-")
        mask = masks.get(_stem(file).removesuffix("_ct") + "_seg-vert_msk")
        if subject in grades and mask is not None:
            volumes[file] = _VolumeLabels(f"sub-{subject}", grades=grades[subject], mask=mask)
    if not volumes:
        raise DatasetError(
            f"{table.name} names {len(grades)} subjects, and none of them has a volume "
            "<subject>…_ct.nii.gz with a mask <subject>…_seg-vert_msk.nii.gz in the folder."
        )
    return volumes


def _iterate_files(folder: Path, pattern: str) -> Iterator[Path]:
    for path in sorted(folder.rglob(pattern)):
        if not is_system_file(path.relative_to(folder).as_posix()):
            yield path


def _sample_volumes(volumes: dict[Path, _VolumeLabels], selection: ImportSelection) -> list[Path]:
    """Draw volumes, half of them with a fracture as far as there are."""
    everything = sorted(volumes)
    if selection.studies is None or selection.studies >= len(everything):
        return everything
    generator = random.Random(selection.seed)
    with_fracture = [path for path in everything if volumes[path].is_fractured]
    without = [path for path in everything if not volumes[path].is_fractured]
    some = min(max(selection.studies // 2, selection.studies - len(without)), len(with_fracture))
    return sorted(
        generator.sample(with_fracture, some) + generator.sample(without, selection.studies - some)
    )


def _iterate_volumes(
    taken: list[Path], volumes: dict[Path, _VolumeLabels], selection: ImportSelection, axis: int
) -> Iterator[list[PlannedSlice | SkippedSlices]]:
    """Yield what each volume holds; it is inflated, to a file of its own, only then."""
    for path in taken:
        volume = volumes[path]
        with ExitStack() as stack:
            try:
                yield _plan_volume(path, volume, selection, axis, stack)
            except ImageError as error:
                count = max(1, len(volume.labels))
                yield [SkippedSlices(count, f"of a volume that cannot be read ({error})")]


def _plan_volume(
    path: Path, volume: _VolumeLabels, selection: ImportSelection, axis: int, stack: ExitStack
) -> list[PlannedSlice | SkippedSlices]:
    flat = _decompress(path, stack)
    left: Counter[str] = Counter()
    found: dict[int, tuple[int, tuple[Box, ...]]] = {}
    if volume.mask is None:
        count = decoder_pool.read(flat, axis=axis).slice_count
        for position, label in volume.labels.items():
            if position < count:
                found[position] = (label, ())
            else:
                left["beyond the end of their volume"] += 1
    else:
        mask = _decompress(volume.mask, stack)
        volume_ct, mask_ct = decoder_pool.read(flat, axis=axis), decoder_pool.read(mask, axis=axis)
        if (volume_ct.slice_count, volume_ct.pixels.shape) != (
            mask_ct.slice_count,
            mask_ct.pixels.shape,
        ):
            raise ImageError("expected a mask of the volume's own shape, got another; export it")
        for position, verdict in enumerate(_label_slices(mask, volume.grades, axis)):
            if isinstance(verdict, str):
                left[verdict] += 1
            else:
                found[position] = verdict
    planned: list[PlannedSlice | SkippedSlices] = []
    for label in (0, 1):
        own = [position for position in sorted(found) if found[position][0] == label]
        chosen = list(sample_evenly(own, selection.per_study))
        planned += [
            PlannedSlice(
                f"{_stem(path)}/{_stem(path)}_{position:04d}.nii.gz",
                label,
                volume.patient,
                position,
                found[position][1],
                partial(_write_slice, flat, position, axis),
            )
            for position in chosen
        ]
        left["more than were asked for of a study"] += len(own) - len(chosen)
    return planned + [SkippedSlices(n, reason) for reason, n in sorted(left.items()) if n]


def _label_slices(
    mask: Path, grades: dict[int, int], axis: int
) -> list[tuple[int, tuple[Box, ...]] | str]:
    """Return the label and boxes of each slice, or why it has none."""
    areas: list[dict[int, int]] = []
    boxes: list[dict[int, Box]] = []
    count = decoder_pool.read(mask, axis=axis).slice_count
    for position in range(count):
        labels = np.rint(decoder_pool.read(mask, slice_index=position, axis=axis).pixels).astype(
            int
        )
        here = [n for n in np.unique(labels).tolist() if n in _VERTEBRA_NUMBERS.values()]
        areas.append({n: int((labels == n).sum()) for n in here})
        boxes.append({n: _bounding_box(labels == n) for n in here if grades.get(n, 0) > 0})
    largest: dict[int, int] = {}
    for area in areas:
        for number, size in area.items():
            largest[number] = max(size, largest.get(number, 0))
    verdicts: list[tuple[int, tuple[Box, ...]] | str] = []
    for area, box in zip(areas, boxes, strict=True):
        shown = [n for n, size in area.items() if size >= MIN_SECTION_SHARE * largest[n]]
        fractured = [n for n in shown if grades.get(n, 0) > 0]
        if fractured:
            verdicts.append((1, tuple(box[n] for n in sorted(fractured))))
        elif any(n not in grades for n in area):
            verdicts.append(_UNGRADED_REASON)
        elif any(grades[n] > 0 for n in area) or not shown:
            verdicts.append(_PARTIAL_SECTION_REASON)
        else:
            verdicts.append((0, ()))
    return verdicts


def _bounding_box(inside: np.ndarray) -> Box:
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return (
        float(columns[0]),
        float(rows[0]),
        float(columns[-1] - columns[0] + 1),
        float(rows[-1] - rows[0] + 1),
    )


def _decompress(path: Path, stack: ExitStack) -> Path:
    """Return a volume as a plain file, so that a slice is a seek and memory stays at one plane.

    It is inflated in this process, by zlib alone and to no more than a file may have: what is in
    it is parsed by the decoders.
    """
    if path.suffix != ".gz":
        return path
    decoder_pool.read(path)  # its declared size is checked before anything is inflated
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spinefrac-")))
    try:
        with gzip.open(path) as packed, (folder / path.stem).open("wb") as plain:
            while block := packed.read(1 << 20):
                plain.write(block)
                check_file_size(plain.tell())
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ImageError(f"{path.name}: expected a whole file, it ends early") from error
    return folder / path.stem


def _write_slice(volume: Path, slice_index: int, axis: int, target: Path) -> None:
    """Write one slice as a NIfTI file that is read as the same slice."""
    import nibabel

    ct: CtSlice = decoder_pool.read(volume, slice_index=slice_index, axis=axis)
    whole = np.array_equal(ct.pixels, np.round(ct.pixels)) and np.abs(ct.pixels).max() < 2**15
    kind = (np.int16 if whole else np.float32) if ct.calibrated else np.uint8
    pixels = ct.pixels.astype(kind)
    rows, columns = ct.spacing_mm or (1.0, 1.0)
    # Canonical axes run to the right and to the front, rows and columns of a slice back.
    image = nibabel.Nifti1Image(pixels[::-1, ::-1].T[:, :, None], np.diag([columns, rows, 1, 1]))
    target.write_bytes(gzip.compress(image.to_bytes(), 6, mtime=0))


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")


def _parse_whole_number(text: str, where: str) -> int:
    try:
        value = int(float(text))
    except (ValueError, OverflowError):
        value = -1
    if not 0 <= value < 100_000:
        raise DatasetError(f"{where}: expected a whole number from 0, found {text!r}.")
    return value
