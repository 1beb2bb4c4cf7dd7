"""Read any supported file as a `CtSlice`; every failure is an `ImageError`.

Here a file is decoded in this process, which is right for files of one's own. Native decoders can
crash: whoever reads files of others uses `decoder_pool`, which does the same elsewhere.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from spinefrac.errors import ImageError
from spinefrac.imaging.formats import detection
from spinefrac.imaging.limits import check_file_size
from spinefrac.imaging.sources import open_path
from spinefrac.records import CtSlice

if TYPE_CHECKING:
    from spinefrac.imaging.formats.dicom_header import DicomHeader

ImageSource = bytes | str | os.PathLike[str]


def read(
    source: ImageSource, *, name: str = "", slice_index: int | None = None, axis: int = 2
) -> CtSlice:
    """Read one slice from a file or from bytes, in this process.

    The format is detected from the content. Sizes are checked before anything is decoded. A file
    from elsewhere can crash its decoder all the same: see `imaging.decoder_pool.read`.

    Parameters
    ----------
    source : bytes, str or path
        The file's content, or its path.
    name : str
        What to call the file in messages; a path's last part by default.
    slice_index : int or None
        Slice of a NIfTI volume or frame of a multi-frame DICOM; None for the middle one.
        Other files have only slice 0.
    axis : int
        For NIfTI: 0 sagittal, 1 coronal, 2 axial.

    Returns
    -------
    CtSlice
        Pixels float32 (H, W): Hounsfield units where calibrated, else grey in 0…255.

    Raises
    ------
    ImageError
        If the file cannot be read as a slice: missing, empty, not an image, damaged, too
        large, or without that position.
    """
    with _open_source(source, name) as file:
        return read_file(file, slice_index, axis)


def read_file(file: BinaryIO, slice_index: int | None = None, axis: int = 2) -> CtSlice:
    """Read one slice from an open file, as `read` does; no message names the file."""
    kind = detection.detect_format(file)
    with wrap_parser_errors(kind):
        if kind == "dicom":
            from spinefrac.imaging.formats.dicom import read_dicom

            return read_dicom(file, slice_index)
        if kind == "nifti":
            from spinefrac.imaging.formats.nifti import read_nifti

            return read_nifti(file, slice_index, axis)
        from spinefrac.imaging.formats.raster import read_raster

        if slice_index not in (None, 0):
            raise ImageError(f"expected slice 0 of a {kind} image, got {slice_index}; use 0")
        return read_raster(file, kind)


def read_with_header(source: ImageSource, *, name: str = "") -> tuple[CtSlice, DicomHeader | None]:
    """Read the (middle) slice of a file as `read` does, and its DICOM header in the same pass.

    Parameters
    ----------
    source : bytes, str or path
    name : str
        What to call the file in messages; a path's last part by default.

    Returns
    -------
    ct : CtSlice
    header : DicomHeader or None
        None for formats other than DICOM.

    Raises
    ------
    ImageError
        If the file cannot be read as a slice.
    """
    with _open_source(source, name) as file:
        return read_file_with_header(file)


def read_file_with_header(file: BinaryIO) -> tuple[CtSlice, DicomHeader | None]:
    """Read an open file as `read_with_header` does; no message names the file."""
    if detection.detect_format(file) == "dicom":
        with wrap_parser_errors("dicom"):
            from spinefrac.imaging.formats.dicom import read_dicom_with_header

            return read_dicom_with_header(file)
    return read_file(file), None


@contextmanager
def _open_source(source: ImageSource, name: str) -> Iterator[BinaryIO]:
    """Open `source`, check its size, and put its name, if any, before every `ImageError`."""
    if not name and isinstance(source, str | os.PathLike):
        name = Path(source).name
    try:
        if isinstance(source, bytes | bytearray | memoryview):
            check_file_size(len(source))
            yield io.BytesIO(source)
            return
        with open_path(Path(source)) as file:
            yield file
    except ImageError as error:
        if not name:
            raise
        raise ImageError(f"{name}: {error}") from error.__cause__


@contextmanager
def wrap_parser_errors(format_name: str) -> Iterator[None]:
    """Turn whatever a foreign parser raises on a damaged file into one `ImageError`.

    Pillow, pydicom, nibabel and the decoders under them raise almost every built-in
    exception on mutated bytes, so no list of types would be complete. Their texts are left
    out of the message, as they may quote the header, but kept as the cause.
    """
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(
            f"expected a {format_name} slice that fits into memory; export it smaller"
        ) from (error)
    except Exception as error:
        raise ImageError(
            f"expected a whole {format_name} file, got a damaged or incomplete one; export it again"
        ) from error
