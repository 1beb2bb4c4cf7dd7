"""Detect the format of a file from its first bytes; the extension of its name is not used."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from typing import BinaryIO

from spinefrac.errors import ImageError

#: Bytes that `detect_format` reads: a NIfTI-2 header is the longest, 540 bytes.
HEADER_BYTES = 544

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"BM", "bmp"),
)

#: Frequent mistakes, for the message.
_UNSUPPORTED_SIGNATURES = (
    (b"PK\x03\x04", "a ZIP archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"%PDF", "a PDF document; export the slice as PNG or DICOM"),
    (b"GIF8", "a GIF image; export the slice as PNG or DICOM"),
    (b"RIFF", "a WebP image or a video; export the slice as PNG or DICOM"),
    (b"\x00\x00\x00\x0cjP", "a bare JPEG 2000 file; export the slice as PNG or DICOM"),
    (b"\xff\x4f\xff\x51", "a bare JPEG 2000 file; export the slice as PNG or DICOM"),
    (b"\xff\x0a", "a JPEG XL image; export the slice as PNG or DICOM"),
    (b"NRRD", "an NRRD volume; save it as NIfTI (.nii.gz)"),
    (b"\xd0\xcf\x11\xe0", "an old Office document; export the slice as PNG or DICOM"),
    (b"version https://git-lfs.", "a Git LFS pointer in place of the file; run git lfs pull"),
    (b"MZ", "a program; choose a slice"),
    (b"\x89HDF", "an HDF5 file, no image; choose a slice"),
)

_GZIP = b"\x1f\x8b"
#: The first line of a MetaImage header, which is text.
_METAIMAGE = re.compile(rb"(?:ObjectType|NDims|Comment|ObjectSubType)\s*=\s*\S")
#: Length of the header, with which Analyze and NIfTI begin.
_NIFTI_HEADER_BYTES = struct.pack("<i", 348)


def detect_format(file: BinaryIO) -> str:
    """Detect the format of an open file and leave it at its start.

    Parameters
    ----------
    file : binary file
        Seekable; read from its start.

    Returns
    -------
    str
        ``png``, ``jpeg``, ``tiff``, ``bmp``, ``dicom`` or ``nifti``.

    Raises
    ------
    ImageError
        If it is none of these; the message names what was found instead.

    Examples
    --------
    >>> import io
    >>> detect_format(io.BytesIO(b"\\x89PNG\\r\\n\\x1a\\n" + bytes(100)))
    'png'
    """
    head = file.read(HEADER_BYTES)
    file.seek(0)
    # Before the image formats: a DICOM preamble may itself begin as a TIFF (PS3.10, 7.1).
    if head[128:132] == b"DICM":
        return "dicom"
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head.startswith(_GZIP):
        if is_nifti(decompress_header(file)):
            return "nifti"
        raise _unsupported_format_error("a gzip file that holds no NIfTI volume; unpack it first")
    if is_nifti(head):
        return "nifti"
    if _is_bare_dicom(head):
        return "dicom"
    raise _unsupported_format_error(_describe_content(head))


def decompress_header(file: BinaryIO) -> bytes:
    """Return the first `HEADER_BYTES` of a gzip file's content, inflating no more than that."""
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as stream:
            return stream.read(HEADER_BYTES)
    except (OSError, EOFError, zlib.error):
        return b""
    finally:
        file.seek(0)


def is_nifti(head: bytes) -> bool:
    """Whether `head` begins a single-file NIfTI-1 or NIfTI-2 volume."""
    return (len(head) >= 348 and head[344:348] in (b"n+1\x00", b"ni1\x00")) or (
        len(head) >= 540 and head[4:12] in (b"n+2\x00\r\n\x1a\n", b"ni2\x00\r\n\x1a\n")
    )


def _is_bare_dicom(head: bytes) -> bool:
    """Whether `head` begins a data set without preamble: a first tag of group 2 or 8.

    Such files are outside PS3.10 but common in old archives. The first element is short;
    its length or value representation has to make sense.
    """
    if len(head) < 16:
        return False
    group, element = struct.unpack("<HH", head[:4])
    if group not in (0x0002, 0x0008) or element > 0x0100:
        return False
    explicit = head[4:6] in (b"UL", b"OB", b"UI", b"CS", b"SH", b"LO", b"DA", b"TM", b"SQ")
    (length,) = struct.unpack("<I", head[4:8])
    return explicit or length <= 256


def _describe_content(head: bytes) -> str:
    for signature, description in _UNSUPPORTED_SIGNATURES:
        if head.startswith(signature):
            return description
    if _METAIMAGE.match(head):
        return "a MetaImage volume (.mhd, .mha); save it as NIfTI (.nii.gz)"
    if head[:4] in (_NIFTI_HEADER_BYTES, _NIFTI_HEADER_BYTES[::-1]) and len(head) >= 348:
        return "the header of an Analyze volume (.hdr, .img); save it as NIfTI (.nii.gz)"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page; the download failed or needs a login"
    if head and all(byte >= 32 or byte in b"\t\r\n" for byte in head):
        return "a text file; choose a slice"
    return "something else; choose a slice"


def _unsupported_format_error(description: str) -> ImageError:
    return ImageError(f"expected a PNG, JPEG, TIFF, BMP, DICOM or NIfTI file, got {description}")
