"""Lossless JPEG frames that contradict their header never reach a native decoder."""

import struct

import pytest

from spinefrac.errors import ImageError
from spinefrac.imaging.formats.jpeg_validation import FrameInfo, check_lossless_frame

INFO = FrameInfo(rows=4, columns=5, samples=1, bits_allocated=16, bits_stored=12)


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def frame(rows: int = 4, columns: int = 5, precision: int = 12, scan: bytes = b"\x01\x02") -> bytes:
    """A JPEG-LS frame: start of frame, start of scan, entropy-coded data, end of image."""
    return (
        b"\xff\xd8"
        + segment(0xF7, struct.pack(">BHHB", precision, rows, columns, 1) + b"\x01\x11\x00")
        + segment(0xDA, b"\x01\x01\x00\x00\x00\x00")
        + scan
        + b"\xff\xd9"
    )


def test_a_frame_that_agrees_with_its_header_passes():
    check_lossless_frame(frame(), INFO)


@pytest.mark.parametrize(
    "wrong",
    [
        frame(rows=5),
        frame(columns=4),
        frame(precision=8),
        frame(precision=17),
        frame(scan=b"\x01\xff\xda"),
        frame()[:-2],
        frame()[2:],
        frame()[:6],
        b"",
    ],
)
def test_a_frame_that_contradicts_it_is_refused(wrong):
    with pytest.raises(ImageError, match="agree with its header"):
        check_lossless_frame(wrong, INFO)
