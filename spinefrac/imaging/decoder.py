"""What a decoder process does: it parses and decodes foreign files.

Called by `decoder_pool` in workers of their own; a crash in here ends nothing else. No message
names the file: only the caller knows its name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Concatenate, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from spinefrac.errors import ImageError
from spinefrac.imaging import geometry
from spinefrac.imaging.formats import detection, dicom_header, nifti, zip_archive
from spinefrac.imaging.formats.dicom_header import DicomHeader
from spinefrac.imaging.formats.nifti import VolumeGeometry
from spinefrac.imaging.formats.zip_archive import Member
from spinefrac.imaging.geometry import SliceGeometry
from spinefrac.imaging.read import read_file, read_file_with_header, wrap_parser_errors
from spinefrac.imaging.sources import Source, open_source
from spinefrac.records import CtSlice
from spinefrac.system.shared_block import map_block

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: A DICOM header rarely is longer; more is read only where it is, in bytes.
HEADER_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True)
class SliceWithHeader:
    """A slice and its DICOM header, None for other formats."""

    ct: CtSlice
    header: DicomHeader | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the header of a file says.

    Attributes
    ----------
    kind : str
        Its format, see `detection.detect_format`.
    geometries : tuple of SliceGeometry
        One a frame of a DICOM; empty for other formats.
    volume : VolumeGeometry or None
        Of a NIfTI.
    is_complete : bool
        Whether a DICOM header was read up to the pixels; False where the bytes ended before.
    """

    kind: str
    geometries: tuple[SliceGeometry, ...] = ()
    volume: VolumeGeometry | None = None
    is_complete: bool = True


@dataclass(frozen=True, slots=True)
class HeaderValues:
    """Elements of a DICOM header.

    Attributes
    ----------
    values : dict of str to list of str
        By keyword, see `dicom_header.read_values`.
    is_complete : bool
        As that of `Inspection`.
    """

    values: dict[str, list[str]]
    is_complete: bool = True


def prepare() -> None:
    """Import what every file needs, so that the first one does not wait for it."""
    # pydicom imports it where it can, to fetch test files; a decoder fetches nothing, and saves
    # 10 MB and a third of its start without it.
    sys.modules["requests"] = None  # type: ignore[assignment]
    import cv2
    import pydicom.pixels  # noqa: F401

    from spinefrac.imaging.formats import dicom, raster  # noqa: F401

    cv2.setNumThreads(1)


def read(source: Source, slice_index: int | None, axis: int) -> CtSlice:
    """Decode one slice, see `imaging.read.read`."""
    with open_source(source) as file:
        return read_file(file, slice_index, axis)


def read_with_header(source: Source) -> SliceWithHeader:
    """Decode the middle slice and summarize its header, see `imaging.read.read_with_header`."""
    with open_source(source) as file:
        return SliceWithHeader(*read_file_with_header(file))


def inspect(source: Source) -> Inspection:
    """Read what a file's header says about its slices; all of the file only where that is long."""
    with open_source(source, HEADER_BYTES) as file:
        found = _inspect(file)
    if found.is_complete or source.member is None:
        return found
    with open_source(source) as file:
        return _inspect(file)


def _inspect(file: BinaryIO) -> Inspection:
    kind = detection.detect_format(file)
    with wrap_parser_errors(kind):
        if kind == "dicom":
            found = _read_unless_cut_off(geometry.read_geometries, file)
            if found is None:
                return Inspection(kind, is_complete=False)
            return Inspection(kind, tuple(found[0]), is_complete=found[1])
        if kind == "nifti":
            return Inspection(kind, volume=nifti.read_volume_geometry(file))
    return Inspection(kind)


def read_values(source: Source, keywords: tuple[str, ...]) -> HeaderValues:
    """Read elements of a DICOM header, see `dicom_header.read_values`."""
    with open_source(source) as file, wrap_parser_errors("dicom"):
        found = _read_unless_cut_off(dicom_header.read_values, file, keywords)
        return HeaderValues({}, is_complete=False) if found is None else HeaderValues(*found)


def _read_unless_cut_off(
    read_header: Callable[Concatenate[BinaryIO, _P], _R],
    file: BinaryIO,
    *args: _P.args,
    **kwargs: _P.kwargs,
) -> _R | None:
    """Call what reads a header; None where the bytes end inside an element."""
    try:
        return read_header(file, *args, **kwargs)
    except ImageError:
        raise
    except Exception:
        if file.read(1):
            raise
        return None


def list_members(source: Source) -> list[Member]:
    """List the files of a ZIP, see `zip_archive.list_members`."""
    with open_source(source) as file:
        return zip_archive.list_members(file)


def read_bytes(source: Source, max_bytes: int | None) -> npt.NDArray[np.uint8]:
    """Return the first bytes of a file, all of them for None."""
    with open_source(source, max_bytes) as file:
        return np.frombuffer(file.read(-1 if max_bytes is None else max_bytes), np.uint8)


def unpack(source: Source, block: str, size: int) -> None:
    """Fill a shared block of the caller with a file's bytes, those of a gzip unpacked."""
    with open_source(source) as file, map_block(block, size) as view, wrap_parser_errors("nifti"):
        nifti.unpack_into(file, view)
