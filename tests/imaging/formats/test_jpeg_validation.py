"""Lossless JPEG frames that contradict their header never reach a native decoder."""

import struct
from dataclasses import replace

import pytest

from spinefrac.errors import ImageError
from spinefrac.imaging.formats.jpeg_validation import FrameInfo, check_lossless_frame

INFO = FrameInfo(rows=4, columns=5, samples=1, bits_allocated=16, bits_stored=12)


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def frame(
    rows: int = 4,
    columns: int = 5,
    precision: int = 12,
    scan: bytes = b"\x01\x02",
    near: int = 0,
    interleave: int = 0,
    more: bytes = b"",
) -> bytes:
    """A JPEG-LS frame: start of frame, start of scan, entropy-coded data, end of image."""
    return (
        b"\xff\xd8"
        + segment(0xF7, struct.pack(">BHHB", precision, rows, columns, 1) + b"\x01\x11\x00")
        + more
        + segment(0xDA, bytes((1, 1, 0, near, interleave, 0)))
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


def preset(*values: int, kind: int = 1) -> bytes:
    """An LSE segment: MAXVAL, T1, T2, T3, RESET."""
    return segment(0xF8, bytes((kind,)) + struct.pack(">5H", *values))


@pytest.mark.parametrize(
    "values",
    [(4095, 18, 67, 276, 64), (0, 0, 0, 0, 0), (4095, 1, 1, 1, 3), (4000, 5, 5, 4000, 4000)],
)
def test_preset_parameters_within_their_limits_pass(values):
    check_lossless_frame(frame(more=preset(*values)), INFO)


@pytest.mark.parametrize(
    "wrong",
    [
        frame(more=preset(4096, 18, 67, 276, 64)),  # MAXVAL over the precision
        frame(more=preset(4095, 67, 18, 276, 64)),  # thresholds that fall
        frame(more=preset(4095, 18, 67, 4096, 64)),  # T3 over MAXVAL
        frame(more=preset(4095, 18, 67, 276, 2)),  # RESET under 3
        frame(more=preset(4095, 18, 67, 276, 4096)),  # RESET over MAXVAL
        frame(more=preset(4095, 3, 67, 276, 64), near=3),  # T1 not over NEAR
        frame(more=preset(6, 0, 0, 0, 0), near=4),  # NEAR over half of MAXVAL
        frame(more=preset(4095, 18, 67, 276, 64, kind=2)),  # a mapping table
        frame(more=segment(0xF8, b"\x01\x00")),
        frame(interleave=1),  # of a single component
        frame(more=segment(0xC4, bytes(17))),  # a table of the other process
        frame(more=segment(0xC0, bytes(9))),  # a second frame header, of another process
    ],
)
def test_parameters_outside_their_limits_are_refused(wrong):
    with pytest.raises(ImageError, match="agree with its header"):
        check_lossless_frame(wrong, INFO)


@pytest.mark.parametrize("bits_stored", [0, 17])
def test_more_bits_than_are_allocated_are_refused(bits_stored):
    with pytest.raises(ImageError, match="agree with its header"):
        check_lossless_frame(frame(), replace(INFO, bits_stored=bits_stored))


@pytest.mark.parametrize("near", [0, 1, 127, 128, 255])
def test_near_is_at_most_half_of_the_largest_value(near):
    eight = replace(INFO, bits_allocated=8, bits_stored=8)
    if near <= 127:
        check_lossless_frame(frame(precision=8, near=near), eight)
    else:
        with pytest.raises(ImageError, match="agree with its header"):
            check_lossless_frame(frame(precision=8, near=near), eight)
