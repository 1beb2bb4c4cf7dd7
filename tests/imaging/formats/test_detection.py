"""The format comes from the first bytes, whatever the name."""

import gzip
import io
import struct

import pytest

from spinefrac.errors import ImageError
from spinefrac.imaging.formats.detection import detect_format


def nifti_header() -> bytes:
    return struct.pack("<i", 348) + bytes(340) + b"n+1\0" + bytes(8)


@pytest.mark.parametrize(
    ("content", "format_name"),
    [
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"II*\0", "tiff"),
        (b"MM\0*", "tiff"),
        (b"BM\0\0", "bmp"),
        (bytes(128) + b"DICM", "dicom"),
        (b"II*\0" + bytes(124) + b"DICM", "dicom"),
        (struct.pack("<HH2sH", 8, 5, b"CS", 10) + b"ISO_IR 100", "dicom"),
        (nifti_header(), "nifti"),
        (gzip.compress(nifti_header(), mtime=0), "nifti"),
    ],
)
def test_formats(content, format_name):
    file = io.BytesIO(content)
    assert detect_format(file) == format_name
    assert file.tell() == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04", "ZIP archive; unpack"),
        (b"%PDF-1.7", "PDF document"),
        (b"GIF89a", "GIF image"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
        (gzip.compress(b"text", mtime=0), "no NIfTI volume"),
        (b"<!DOCTYPE html>", "HTML page"),
        (b"path,label\n", "text file"),
        (bytes(200), "something else"),
        (b"ObjectType = Image\nNDims = 3\n", "a MetaImage volume .*; save it as NIfTI"),
        (b"NDims=3\nDimSize = 4 4 4\n", "a MetaImage volume"),
        (b"NRRD0005\n", "an NRRD volume; save it as NIfTI"),
        (struct.pack("<i", 348) + bytes(344), "header of an Analyze volume"),
        (struct.pack(">i", 348) + bytes(344), "header of an Analyze volume"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "WebP"),
        (b"\xff\x4f\xff\x51\0", "bare JPEG 2000"),
        (b"MZ\x90\0", "a program"),
        (b"", "something else"),
    ],
)
def test_other_contents_are_named(content, message):
    with pytest.raises(ImageError, match=message):
        detect_format(io.BytesIO(content))
