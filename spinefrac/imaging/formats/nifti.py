"""NIfTI volumes: one slice of them, turned the way radiologists look at it."""

from __future__ import annotations

import gzip
import io
import math
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np

from spinefrac.errors import ImageError
from spinefrac.imaging.formats.detection import HEADER_BYTES, inflate_head
from spinefrac.imaging.limits import check_size
from spinefrac.records import CtSlice, FloatImage

#: Hounsfield units of air, for voxels that hold no number.
AIR_HU = -1024.0


def read_nifti(file: BinaryIO, position: int | None = None, axis: int = 2) -> CtSlice:
    """Read one slice of a NIfTI volume, in Hounsfield units.

    The volume is thought of as turned to the nearest RAS+ axes (nibabel's closest canonical
    orientation): axis 0 runs from the patient's left to right, 1 from back to front, 2 from
    foot to head. The slice is then shown in the radiological convention. Axial: front at
    the top, the patient's right on the left. Coronal: head at the top, right on the left.
    Sagittal: head at the top, front on the left. Of a 4-D file the first volume is read.

    Only the file's own planes up to the last one needed are inflated, one at a time, so
    memory stays at one plane whatever the volume.

    Parameters
    ----------
    file : binary file
        Seekable, at its start; plain or gzip.
    position : int or None
        Index along the canonical axis, from left, back or foot; None for the middle.
    axis : int
        Canonical axis that the slice is perpendicular to: 0 sagittal, 1 coronal, 2 axial.

    Returns
    -------
    CtSlice
        Calibrated, pixels float32 (H, W).

    Raises
    ------
    ImageError
        If the volume is too large, not a CT-like volume, or `position` or `axis` is outside.
    """
    volume = volume_shape(file)
    packed, header, shape, dtype = volume.packed, volume.header, volume.shape, volume.dtype
    to_file, flipped = volume.to_file, volume.flipped
    if axis not in (0, 1, 2):
        raise ImageError(f"expected axis 0, 1 or 2, got {axis}; 2 is axial")

    count = shape[to_file[axis]]
    position = count // 2 if position is None else position
    if not 0 <= position < count:
        raise ImageError(f"expected a slice from 0 to {count - 1}, got {position}; choose another")
    index = count - 1 - position if flipped[axis] else position

    offset = volume.offset
    stream = gzip.GzipFile(fileobj=file, mode="rb") if packed else nullcontext(file)
    with stream as opened:
        plane = _plane(cast(BinaryIO, opened), offset, shape, dtype, to_file[axis], index)

    # plane axes: the two remaining file axes in file order; bring them to canonical order,
    # running towards +, then to rows from head or front, columns from the right or front.
    across, down = (canon for canon in range(3) if canon != axis)
    if to_file[across] > to_file[down]:
        plane = plane.T
    plane = plane[:: 1 if flipped[across] else -1, :: 1 if flipped[down] else -1].T
    slope, intercept = (float(header[key]) for key in ("scl_slope", "scl_inter"))
    if np.isfinite(slope) and slope != 0:
        plane = plane * np.float32(slope)
        plane += np.float32(intercept if np.isfinite(intercept) else 0.0)
    return CtSlice(
        pixels=np.nan_to_num(np.ascontiguousarray(plane), nan=AIR_HU),
        calibrated=True,
        format="nifti",
        bits=dtype.itemsize * 8,
        spacing_mm=_spacing(volume.steps_mm[down], volume.steps_mm[across]),
        position=position,
        count=count,
    )


@dataclass(frozen=True)
class VolumeShape:
    """What a NIfTI header says of its volume, by canonical axis: 0 to the left, 1 back, 2 head.

    Attributes
    ----------
    header : nibabel header
    packed : bool
        Whether the file is gzip.
    shape : tuple of int, length 3
        In the file's own order of axes, as `to_file` and `dtype` are of the file.
    offset : int
        Where the voxels begin in the unpacked file, bytes.
    to_file : tuple of int, length 3
        File axis of each canonical one.
    flipped : tuple of bool, length 3
        Whether the file runs against the canonical axis.
    affine : float array, shape (4, 4)
        Voxel to RAS+ millimetres.
    """

    header: Any
    packed: bool
    shape: tuple[int, ...]
    offset: int
    to_file: tuple[int, ...]
    flipped: tuple[bool, ...]
    affine: np.ndarray

    @property
    def dtype(self) -> np.dtype[np.generic]:
        return self.header.get_data_dtype()

    @property
    def counts(self) -> tuple[int, ...]:
        """Slices along each canonical axis."""
        return tuple(self.shape[axis] for axis in self.to_file)

    @property
    def steps_mm(self) -> tuple[float, ...]:
        """Distance of neighbours along each canonical axis."""
        zooms = [abs(float(z)) for z in self.header.get_zooms()[:3]] + [1.0] * 3
        return tuple(zooms[axis] for axis in self.to_file)

    def plane(self, axis: int) -> tuple[int, int]:
        """Rows and columns of a slice perpendicular to a canonical axis, as it is shown."""
        across, down = (canon for canon in range(3) if canon != axis)
        return self.counts[down], self.counts[across]

    def spacing_mm(self, axis: int) -> tuple[float, float] | None:
        """Distance of rows and of columns of such a slice; None where there is none."""
        across, down = (canon for canon in range(3) if canon != axis)
        return _spacing(self.steps_mm[down], self.steps_mm[across])

    @property
    def origin_mm(self) -> tuple[float, ...]:
        """Coordinate of the first slice along each canonical axis, RAS+."""
        corner = [
            self.shape[axis] - 1 if self.flipped[self.to_file.index(axis)] else 0
            for axis in range(3)
        ]
        return tuple((self.affine @ np.array([*corner, 1.0]))[:3].tolist())


def volume_shape(file: BinaryIO) -> VolumeShape:
    """Read a NIfTI header and check what it declares; the file is left at its start.

    Raises
    ------
    ImageError
        If the volume is too large, not of plain numbers, or has no orientation.
    """
    import nibabel

    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    head = inflate_head(file) if packed else file.read(HEADER_BYTES)
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
    check_size(shape[0], shape[1], shape[2], *volumes, sample_bytes=dtype.itemsize)
    affine = header.get_best_affine()
    if not np.isfinite(affine).all():
        raise ImageError("expected a NIfTI orientation, got none that is finite; convert it again")
    # orientation[f] = (canonical axis of file axis f, 1 or -1 where it runs the other way)
    orientation = nibabel.io_orientation(affine)
    if not np.isfinite(orientation).all():
        raise ImageError("expected a NIfTI orientation, got a flat one; convert it again")
    to_file = tuple(int(np.flatnonzero(orientation[:, 0] == canon)[0]) for canon in range(3))
    return VolumeShape(
        header=header,
        packed=packed,
        shape=shape,
        offset=max(int(header.get_data_offset()), length),
        to_file=to_file,
        flipped=tuple(bool(orientation[to_file[canon], 1] < 0) for canon in range(3)),
        affine=affine,
    )


def inflated(content: bytes) -> bytes:
    """Return a NIfTI file unpacked, no more of it than its header declares for one volume.

    Raises
    ------
    ImageError
        If the header is refused or the file ends early. Damage raises what zlib raises.
    """
    volume = volume_shape(io.BytesIO(content))
    if not volume.packed:
        return content
    length = volume.offset + math.prod(volume.shape) * volume.dtype.itemsize
    with gzip.GzipFile(fileobj=io.BytesIO(content), mode="rb") as stream:
        found = stream.read(length)
    if len(found) < length:
        raise ImageError("expected more voxels, the NIfTI file ends early; copy it again")
    return found


def _plane(
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


def _spacing(rows: float, columns: float) -> tuple[float, float] | None:
    valid = np.isfinite([rows, columns]).all() and min(rows, columns) > 0
    return (rows, columns) if valid else None
