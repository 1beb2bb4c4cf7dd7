"""NIfTI volumes: one slice in the orientation in which radiologists view it."""

from __future__ import annotations

import gzip
import math
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np

from spinefrac.errors import ImageError
from spinefrac.imaging.formats.detection import HEADER_BYTES, decompress_header
from spinefrac.imaging.hounsfield import AIR_HU, explain_implausible
from spinefrac.imaging.limits import check_image_size
from spinefrac.records import CtSlice, FloatImage

_CHUNK_BYTES = 1 << 20


def read_nifti(file: BinaryIO, slice_index: int | None = None, axis: int = 2) -> CtSlice:
    """Read one slice of a NIfTI volume, in Hounsfield units; bytes are read as grey values.

    The volume is turned to the nearest RAS+ axes (nibabel's closest canonical orientation): axis
    0 runs from the patient's left to right, 1 from back to front, 2 from foot to head. The slice
    is then displayed in the radiological convention. Axial: front at the top, the patient's
    right on the left. Coronal: head at the top, right on the left. Sagittal: head at the top,
    front on the left. Of a 4-D file the first volume is read.

    Only the file's own planes up to the last one needed are inflated, one at a time, so
    memory stays at one plane whatever the volume.

    Parameters
    ----------
    file : binary file
        Seekable, at its start; plain or gzip.
    slice_index : int or None
        Index along the canonical axis, from left, back or foot; None for the middle.
    axis : int
        Canonical axis that the slice is perpendicular to: 0 sagittal, 1 coronal, 2 axial.

    Returns
    -------
    CtSlice
        Pixels float32 (H, W), calibrated unless they are bytes.

    Raises
    ------
    ImageError
        If the volume is too large, not a CT-like volume, or `slice_index` or `axis` is outside.
    """
    if axis not in (0, 1, 2):
        raise ImageError(f"expected axis 0, 1 or 2, got {axis}; 2 is axial")
    volume = read_volume_header(file)
    count = volume.slice_counts[axis]
    slice_index = count // 2 if slice_index is None else slice_index
    if not 0 <= slice_index < count:
        raise ImageError(
            f"expected a slice from 0 to {count - 1}, got {slice_index}; choose another"
        )
    plane = _rescale(volume, _read_displayed_plane(file, volume, axis, slice_index))
    pixels = np.nan_to_num(np.ascontiguousarray(plane), nan=AIR_HU)
    return CtSlice(
        pixels=pixels,
        calibrated=not volume.is_grey,
        format="nifti",
        bits=volume.dtype.itemsize * 8,
        spacing_mm=volume.pixel_spacing_mm(axis),
        slice_index=slice_index,
        slice_count=count,
        implausible=explain_implausible(pixels),
    )


def _read_displayed_plane(
    file: BinaryIO, volume: VolumeHeader, axis: int, slice_index: int
) -> FloatImage:
    """Return the stored values of a slice as it is displayed, shape (H, W)."""
    to_file, flipped = volume.file_axes, volume.axis_flips
    index = volume.slice_counts[axis] - 1 - slice_index if flipped[axis] else slice_index
    stream = gzip.GzipFile(fileobj=file, mode="rb") if volume.is_compressed else nullcontext(file)
    with stream as opened:
        plane = _read_plane(
            cast(BinaryIO, opened), volume.offset, volume.shape, volume.dtype, to_file[axis], index
        )
    # The two remaining file axes are in file order: bring them to canonical order, running
    # towards +, then to rows from head or front, columns from the right or front.
    across, down = (canon for canon in range(3) if canon != axis)
    if to_file[across] > to_file[down]:
        plane = plane.T
    return plane[:: 1 if flipped[across] else -1, :: 1 if flipped[down] else -1].T


def _rescale(volume: VolumeHeader, plane: FloatImage) -> FloatImage:
    """Apply slope and intercept of the header, where they are set."""
    slope, intercept = (float(volume.header[key]) for key in ("scl_slope", "scl_inter"))
    if np.isfinite(slope) and slope != 0:
        plane = plane * np.float32(slope)
        plane += np.float32(intercept if np.isfinite(intercept) else 0.0)
    return plane


@dataclass(frozen=True)
class VolumeHeader:
    """The geometry of a NIfTI volume by canonical axis: 0 to the left, 1 back, 2 head.

    Attributes
    ----------
    header : nibabel header
    is_compressed : bool
        Whether the file is gzip.
    shape : tuple of int, length 3
        In the file's own order of axes, as `file_axes` and `dtype` are of the file.
    offset : int
        Where the voxels begin in the unpacked file, bytes.
    file_axes : tuple of int, length 3
        File axis of each canonical one.
    axis_flips : tuple of bool, length 3
        Whether the file runs against the canonical axis.
    affine : float array, shape (4, 4)
        Voxel to RAS+ millimetres.
    """

    header: Any
    is_compressed: bool
    shape: tuple[int, ...]
    offset: int
    file_axes: tuple[int, ...]
    axis_flips: tuple[bool, ...]
    affine: np.ndarray

    @property
    def dtype(self) -> np.dtype[np.generic]:
        return self.header.get_data_dtype()

    @property
    def is_grey(self) -> bool:
        """Whether the voxels are bytes as stored: grey values, as no byte holds a CT's range."""
        slope, intercept = (float(self.header[key]) for key in ("scl_slope", "scl_inter"))
        is_scaled = np.isfinite(slope) and slope != 0 and (slope, intercept) != (1.0, 0.0)
        return self.dtype == np.uint8 and not is_scaled

    @property
    def slice_counts(self) -> tuple[int, ...]:
        """Slices along each canonical axis."""
        return tuple(self.shape[axis] for axis in self.file_axes)

    @property
    def slice_spacings_mm(self) -> tuple[float, ...]:
        """Distance of neighbours along each canonical axis."""
        zooms = [abs(float(z)) for z in self.header.get_zooms()[:3]] + [1.0] * 3
        return tuple(zooms[axis] for axis in self.file_axes)

    def plane_shape(self, axis: int) -> tuple[int, int]:
        """Rows and columns of a slice perpendicular to a canonical axis, as it is shown."""
        across, down = (canon for canon in range(3) if canon != axis)
        return self.slice_counts[down], self.slice_counts[across]

    def pixel_spacing_mm(self, axis: int) -> tuple[float, float] | None:
        """Distance of rows and of columns of such a slice; None where there is none."""
        across, down = (canon for canon in range(3) if canon != axis)
        return _valid_spacing(self.slice_spacings_mm[down], self.slice_spacings_mm[across])

    @property
    def origin_mm(self) -> tuple[float, ...]:
        """Coordinate of the first slice along each canonical axis, RAS+."""
        corner = [
            self.shape[axis] - 1 if self.axis_flips[self.file_axes.index(axis)] else 0
            for axis in range(3)
        ]
        return tuple((self.affine @ np.array([*corner, 1.0]))[:3].tolist())


def read_volume_header(file: BinaryIO) -> VolumeHeader:
    """Read a NIfTI header and check what it declares; the file is left at its start.

    Raises
    ------
    ImageError
        If the volume is too large, not of plain numbers, or has no orientation.
    """
    import nibabel

    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    head = decompress_header(file) if packed else file.read(HEADER_BYTES)
    file.seek(0)
    second = head[4:8] in (b"n+2\x00", b"ni2\x00")
    header_class = nibabel.Nifti2Header if second else nibabel.Nifti1Header
    length = header_class.sizeof_hdr
    if head[4 if second else 344 :][:2] == b"ni":
        raise ImageError("expected a single-file NIfTI, got a header (.hdr); convert it to .nii")
    header = header_class(head[:length], check=False)
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf":
        raise ImageError("expected a NIfTI volume of numbers, got colour or complex; convert it")
    shape = tuple(int(n) for n in header.get_data_shape())
    shape, volumes = shape[:3] + (1,) * (3 - len(shape)), shape[3:]
    check_image_size(shape[0], shape[1], shape[2], *volumes, sample_bytes=dtype.itemsize)
    affine = header.get_best_affine()
    if not np.isfinite(affine).all():
        raise ImageError("expected a NIfTI orientation, got none that is finite; convert it again")
    # orientation[f] = (canonical axis of file axis f, 1 or -1 where it runs the other way)
    orientation = nibabel.io_orientation(affine)
    if not np.isfinite(orientation).all():
        raise ImageError("expected a NIfTI orientation, got a flat one; convert it again")
    to_file = tuple(int(np.flatnonzero(orientation[:, 0] == canon)[0]) for canon in range(3))
    return VolumeHeader(
        header=header,
        is_compressed=packed,
        shape=shape,
        offset=max(int(header.get_data_offset()), length),
        file_axes=to_file,
        axis_flips=tuple(bool(orientation[to_file[canon], 1] < 0) for canon in range(3)),
        affine=affine,
    )


@dataclass(frozen=True, slots=True)
class VolumeGeometry:
    """What a volume's slices have in common, by canonical axis: 0 to the left, 1 back, 2 head.

    Attributes
    ----------
    slice_counts : tuple of int, length 3
    plane_shapes : tuple of (rows, columns), length 3
        Of a slice perpendicular to the axis, as it is shown.
    pixel_spacings_mm : tuple of (row, column) or None, length 3
    slice_spacings_mm, origin_mm : tuple of float, length 3
        Distance of neighbours, and the first slice's coordinate, RAS+.
    is_compressed : bool
        Whether the file is gzip.
    unpacked_bytes : int
        Of header and first volume.
    """

    slice_counts: tuple[int, ...]
    plane_shapes: tuple[tuple[int, int], ...]
    pixel_spacings_mm: tuple[tuple[float, float] | None, ...]
    slice_spacings_mm: tuple[float, ...]
    origin_mm: tuple[float, ...]
    is_compressed: bool
    unpacked_bytes: int


def read_volume_geometry(file: BinaryIO) -> VolumeGeometry:
    """Read and check a NIfTI header as `read_volume_header` does; return what is in plain numbers.

    Raises
    ------
    ImageError
    """
    volume = read_volume_header(file)
    return VolumeGeometry(
        slice_counts=volume.slice_counts,
        plane_shapes=tuple(volume.plane_shape(axis) for axis in range(3)),
        pixel_spacings_mm=tuple(volume.pixel_spacing_mm(axis) for axis in range(3)),
        slice_spacings_mm=volume.slice_spacings_mm,
        origin_mm=volume.origin_mm,
        is_compressed=volume.is_compressed,
        unpacked_bytes=volume.offset + math.prod(volume.shape) * volume.dtype.itemsize,
    )


def unpack_into(file: BinaryIO, view: memoryview) -> None:
    """Fill `view` with the start of an open NIfTI file, unpacked.

    Raises
    ------
    ImageError
        If the file ends early. Damage raises what zlib raises.
    """
    is_compressed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    stream = gzip.GzipFile(fileobj=file, mode="rb") if is_compressed else nullcontext(file)
    filled = 0
    with stream as opened:
        while filled < len(view):
            content = cast(BinaryIO, opened).read(min(_CHUNK_BYTES, len(view) - filled))
            if not content:
                raise ImageError("expected more voxels, the NIfTI file ends early; copy it again")
            view[filled : filled + len(content)] = content
            filled += len(content)


def _read_plane(
    stream: BinaryIO,
    offset: int,
    shape: tuple[int, ...],
    dtype: np.dtype[np.generic],
    axis: int,
    index: int,
) -> FloatImage:
    """Return the plane `index` along file axis `axis`, float32, in file order of the rest.

    NIfTI lies with its first axis fastest (Fortran order), so one k is contiguous.
    """
    rows, columns, depth = shape
    plane_bytes = rows * columns * dtype.itemsize

    def next_plane() -> FloatImage:
        data = stream.read(plane_bytes)
        if len(data) < plane_bytes:
            raise ImageError("expected more voxels, the NIfTI file ends early; copy it again")
        return np.frombuffer(data, dtype).reshape((rows, columns), order="F").astype(np.float32)

    if axis == 2:
        stream.seek(offset + index * plane_bytes)
        return next_plane()
    stream.seek(offset)
    return np.stack([np.take(next_plane(), index, axis=axis) for _ in range(depth)], axis=1)


def _valid_spacing(rows: float, columns: float) -> tuple[float, float] | None:
    valid = np.isfinite([rows, columns]).all() and min(rows, columns) > 0
    return (rows, columns) if valid else None
