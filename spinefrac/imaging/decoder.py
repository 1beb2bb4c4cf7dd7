"""What a decoder process does: it parses and decodes foreign files.

Called by `decoder_pool` in workers of their own; a crash in here ends nothing else. No message
names the file: only the caller knows its name.
"""

from __future__ import annotations

from dataclasses import dataclass

from spinefrac.imaging.formats.dicom_header import DicomHeader
from spinefrac.imaging.read import read_file, read_file_with_header
from spinefrac.imaging.sources import Source, open_source
from spinefrac.records import CtSlice


@dataclass(frozen=True, slots=True)
class SliceWithHeader:
    """A slice and its DICOM header, None for other formats."""

    ct: CtSlice
    header: DicomHeader | None


def prepare() -> None:
    """Import what every file needs, so that the first one does not wait for it."""
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
