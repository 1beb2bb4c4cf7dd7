"""Group files into series: slices in the order of their position, and findings on them.

A series is one DICOM series, the frames of a multi-frame DICOM, or a NIfTI volume. Order comes
from the position along the slice normal, never from a file's name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from spinefrac.errors import ImageError
from spinefrac.imaging import decoder_pool
from spinefrac.imaging.collect import SourceFile
from spinefrac.imaging.formats.nifti import VolumeGeometry
from spinefrac.imaging.geometry import SliceGeometry
from spinefrac.imaging.limits import check_expansion
from spinefrac.imaging.series_findings import (
    SAME_POSITION_MM,
    SeriesFinding,
    find_plane_findings,
    find_spacing_findings,
    find_split_findings,
    find_tilt_findings,
)
from spinefrac.imaging.series_splitting import compute_positions_mm, split_series
from spinefrac.records import CtSlice, Unreadable
from spinefrac.slice_order import SlicePlace, order_slices
from spinefrac.wording import format_count

_THREADS = 2


@dataclass(frozen=True, slots=True)
class SeriesSlice:
    """One slice of a series: its file, its frame there, and its position in the patient.

    Attributes
    ----------
    file : SourceFile
    geometry : SliceGeometry
    frame : int or None
        Frame of a multi-frame DICOM or slice of a volume; None where the file is one slice.
    axis : int
        For NIfTI: 0 sagittal, 1 coronal, 2 axial.
    """

    file: SourceFile
    geometry: SliceGeometry
    frame: int | None = None
    axis: int = 2

    def read(self) -> CtSlice:
        """Read and decode this slice; a volume's position and count stay those of its file.

        Raises
        ------
        ImageError
        """
        return decoder_pool.read(
            self.file.locate(),
            name=self.file.name,
            slice_index=self.frame,
            axis=self.axis,
            owner=self.file.owner,
        )


@dataclass(frozen=True, slots=True)
class Series:
    """Slices of one scan in order along their normal: for axial ones from foot to head.

    Attributes
    ----------
    name : str
        Its name in a list: the series number where there is one.
    format : str
        ``dicom`` or ``nifti``.
    slices : tuple of SeriesSlice
        At least two; each is read on demand.
    positions_mm : tuple of float, as many as slices
        Rising: along the normal (DICOM) or the RAS+ axis (NIfTI). Empty where the files do not
        state it.
    slice_spacing_mm : float or None
        The usual distance of neighbours, the median.
    findings : tuple of SeriesFinding
    """

    name: str
    format: str
    slices: tuple[SeriesSlice, ...] = field(repr=False)
    positions_mm: tuple[float, ...] = field(default=(), repr=False)
    slice_spacing_mm: float | None = None
    findings: tuple[SeriesFinding, ...] = ()

    def __len__(self) -> int:
        return len(self.slices)

    @property
    def plane(self) -> str:
        """``axial``, ``coronal`` or ``sagittal``; empty where unknown."""
        return self.slices[0].geometry.plane

    @property
    def volume_file(self) -> SourceFile | None:
        """The file of a NIfTI volume, which can be cut along another axis too."""
        return self.slices[0].file if self.format == "nifti" else None


@dataclass(frozen=True, slots=True)
class SeriesGrouping:
    """Files grouped into series, single slices, and what cannot be read.

    `single_slices` are files that belong to no series of two or more slices.
    """

    series: tuple[Series, ...]
    single_slices: tuple[SeriesSlice, ...]
    unreadable: tuple[Unreadable, ...]


def group_into_series(
    files: Sequence[SourceFile],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> SeriesGrouping:
    """Find the series among files, looking at headers only.

    Parameters
    ----------
    files : sequence of SourceFile
        In natural order of their names; `collect.collect_files` opens ZIPs first.
    progress : callable, optional
        Called with the number of files read and of all. May raise to stop.

    Returns
    -------
    SeriesGrouping
        Series with the most slices first.
    """
    volumes: list[Series] = []
    by_series: dict[tuple[object, ...], list[SeriesSlice]] = defaultdict(list)
    singles: list[SeriesSlice] = []
    unreadable: list[Unreadable] = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for done, (file, inspected) in enumerate(
            zip(files, pool.map(_inspect_file, files), strict=True)
        ):
            if progress:
                progress(done, len(files))
            if isinstance(inspected, ImageError):
                unreadable.append(Unreadable(file.name, str(inspected)))
            elif isinstance(inspected, Series):
                volumes.append(inspected)
            else:
                for part in inspected:
                    key = _series_key(part)
                    (by_series[key] if key else singles).append(part)
    found, left = _assemble_series(by_series)
    singles += left
    order = {file.name: number for number, file in enumerate(files)}
    singles.sort(key=lambda part: order[part.file.name])
    found = sorted([*volumes, *found], key=lambda series: -len(series))
    return SeriesGrouping(_number_duplicate_names(found), tuple(singles), tuple(unreadable))


def join_pictures(grouping: SeriesGrouping, name: str) -> SeriesGrouping:
    """Return pictures that belong to no series as one, where there is no other.

    For folders of which the user says that each is a scan: pictures have no header to say it.

    Parameters
    ----------
    grouping : SeriesGrouping
        Its single slices are in the natural order of their names.
    name : str
        Of the series.
    """
    slices = grouping.single_slices
    folders = {_folder_name(part.file) for part in slices}
    if grouping.series or len(slices) < 2 or len(folders) != 1:
        return grouping
    return SeriesGrouping((Series(name, "pictures", slices),), (), grouping.unreadable)


def _number_duplicate_names(found: list[Series]) -> tuple[Series, ...]:
    """Number series of the same name."""
    seen: Counter[str] = Counter()
    apart = []
    for series in found:
        seen[series.name] += 1
        number = seen[series.name]
        apart.append(replace(series, name=f"{series.name} ({number})") if number > 1 else series)
    return tuple(apart)


def series_from_volume(file: SourceFile, axis: int = 2) -> Series:
    """Return a NIfTI volume as a series along one axis.

    Parameters
    ----------
    file : SourceFile
        Plain or gzip, which is unpacked into shared memory when the first slice is read.
    axis : int
        0 sagittal, 1 coronal, 2 axial; slices run towards the patient's right to left, back
        to front, or foot to head, by the affine.

    Returns
    -------
    Series

    Raises
    ------
    ImageError
        If it is no NIfTI volume or larger than the limits allow.
    """
    volume = decoder_pool.inspect(file.locate(), name=file.name, owner=file.owner).volume
    if volume is None:
        raise ImageError(f"{file.name}: expected a NIfTI volume, got another file; choose it")
    return _cut_volume(file, volume, axis)


def _cut_volume(file: SourceFile, volume: VolumeGeometry, axis: int) -> Series:
    """Return the slices of a volume along an axis, all in one copy of its unpacked bytes."""
    unpacked = volume.unpacked_bytes if volume.is_compressed else None
    if unpacked is not None:
        try:
            check_expansion(unpacked, file.stored_bytes)
        except ImageError as error:
            raise ImageError(f"{file.name}: {error}") from None
    held = file.hold(unpacked)
    count, (rows, columns) = volume.slice_counts[axis], volume.plane_shapes[axis]
    step, origin = volume.slice_spacings_mm[axis], volume.origin_mm[axis]
    geometry = SliceGeometry(
        row_cosines=_NIFTI_AXES[axis][0],
        column_cosines=_NIFTI_AXES[axis][1],
        spacing_mm=volume.pixel_spacings_mm[axis],
        rows=rows,
        columns=columns,
    )
    slices = tuple(SeriesSlice(held, geometry, frame=number, axis=axis) for number in range(count))
    return Series(
        name=file.name,
        format="nifti",
        slices=slices,
        positions_mm=tuple(origin + step * number for number in range(count)),
        slice_spacing_mm=step,
    )


#: How slices of a volume are shown: towards +x of DICOM (left), +y (back) and +z (head).
_NIFTI_AXES: tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...] = (
    ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),  # sagittal: front on the left, head at the top
    ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),  # coronal: right on the left, head at the top
    ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),  # axial: right on the left, front at the top
)


def _inspect_file(file: SourceFile) -> list[SeriesSlice] | Series | ImageError:
    """Read one file's header. The error is returned, not raised: other files are read on."""
    try:
        found = decoder_pool.inspect(file.locate(), name=file.name, owner=file.owner)
        if found.volume is not None:
            series = _cut_volume(file, found.volume, axis=2)
            return series if len(series) > 1 else list(series.slices)
    except ImageError as error:
        return error
    if len(found.geometries) <= 1:
        geometry = found.geometries[0] if found.geometries else SliceGeometry()
        return [SeriesSlice(file, geometry)]
    held = file.hold()
    return [
        SeriesSlice(held, geometry, frame=frame) for frame, geometry in enumerate(found.geometries)
    ]


def _series_key(part: SeriesSlice) -> tuple[object, ...] | None:
    """Return the key that slices of one series share; None for a single slice."""
    geometry = part.geometry
    if geometry.series_instance_uid:
        return geometry.study_instance_uid, geometry.series_instance_uid
    if part.frame is not None:
        return "frames", part.file.name
    if geometry.position_along_normal_mm is not None:  # anonymised files may have lost their UIDs
        return "folder", _folder_name(part.file)
    return None


def _folder_name(file: SourceFile) -> str:
    return file.name.rpartition("/")[0]


def _assemble_series(
    by_series: dict[tuple[object, ...], list[SeriesSlice]],
) -> tuple[list[Series], list[SeriesSlice]]:
    """Turn the slices of each series UID into series of one geometry each."""
    found: list[Series] = []
    singles: list[SeriesSlice] = []
    for members in by_series.values():
        unique, copies = _drop_duplicates(members)
        for stacks in split_series([part.geometry for part in unique]):
            in_geometry = sum(len(stack.rows) for stack in stacks)
            for stack in stacks:
                group = [unique[row] for row in stack.rows]
                if len(group) < 2:
                    singles += group
                    continue
                findings = find_split_findings(
                    group[0].geometry, len(unique) - in_geometry, in_geometry - len(group)
                )
                if copies:
                    repeated = format_count(copies, "slice is", "slices are")
                    message = f"{repeated} there twice and count once."
                    findings.append(SeriesFinding("repeated", message))
                found.append(_sort_slices(group, stack.acquisition, findings))
    return found, singles


def _drop_duplicates(members: Iterable[SeriesSlice]) -> tuple[list[SeriesSlice], int]:
    """Leave out files that are the same instance again; return how many there were.

    Of each the largest file stays: a copy that differs was cut, as a rule.
    """
    seen: dict[tuple[object, ...], SeriesSlice] = {}
    unnamed = []
    count = 0
    for part in members:
        count += 1
        geometry = part.geometry
        if geometry.sop_instance_uid:
            # Some programs write one UID into every file: then it identifies none.
            place = (geometry.position_mm, geometry.instance_number)
            instance = (geometry.sop_instance_uid, part.frame, *place)
            first = seen.setdefault(instance, part)
            if part.file.stored_bytes > first.file.stored_bytes:
                seen[instance] = part
        else:
            unnamed.append(part)
    unique = [*seen.values(), *unnamed]
    return unique, count - len(unique)


def _sort_slices(
    group: list[SeriesSlice], acquisition: str, findings: list[SeriesFinding]
) -> Series:
    """Sort slices of one geometry along their normal and check the distances between them."""
    along = compute_positions_mm([part.geometry for part in group])
    order = order_slices(
        [_get_place(part, along[row] if along else None) for row, part in enumerate(group)]
    )
    slices = tuple(group[row] for row in order)
    first = group[0].geometry
    name = _folder_name(group[0].file).rpartition("/")[2] or "Series"
    if first.series_number:
        name = f"Series {first.series_number}"
    if acquisition:
        name = f"{name}, {acquisition}"
    findings += find_plane_findings(first)
    if not first.series_instance_uid and group[0].frame is None:
        findings.append(
            SeriesFinding(
                "unnamed",
                "The files do not state their series; those of one folder are read as one series.",
            )
        )
    if along is None:
        finding = SeriesFinding(
            "unplaced",
            "The files do not state the position of their slices; they are in the order of "
            "their instance numbers, else of their names.",
        )
        return Series(name, "dicom", slices, findings=(*findings, finding))
    positions = tuple(along[row] for row in order)
    steps = np.diff(positions)
    forward = steps[steps > SAME_POSITION_MM]
    step = float(np.median(forward)) if forward.size else None
    findings += find_spacing_findings(steps, step)
    findings += find_tilt_findings(slices[0].geometry, slices[-1].geometry)
    return Series(name, "dicom", slices, positions, step, tuple(findings))


def _get_place(part: SeriesSlice, position_mm: float | None) -> SlicePlace:
    return SlicePlace(
        name=part.file.name,
        position_mm=position_mm,
        number=part.geometry.instance_number,
        frame=part.frame or 0,
    )
