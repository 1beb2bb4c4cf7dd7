"""Lossless JPEG frames that contradict their header never reach a native decoder."""

import struct
from dataclasses import replace

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLosslessSV1

from spinefrac import imaging
from spinefrac.errors import ImageError
from spinefrac.imaging.formats.jpeg_validation import FrameInfo, check_lossless_frame
from tests.imaging.formats.test_transfer_syntax import relabel
from tests.support import jpeg_lossless

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


VALUES = np.random.default_rng(0).integers(0, 4096, (24, 20)).astype(np.uint16)
LOSSLESS = FrameInfo(rows=24, columns=20, samples=1, bits_allocated=16, bits_stored=16)


@pytest.mark.parametrize(
    "liberty",
    [{}, {"interval_rows": 1}, {"interval_rows": 7}, {"interval_rows": 24}, {"end": 63},
     {"high": 1}, {"end": 1, "high": 15, "interval_rows": 2}],
)  # fmt: skip
def test_what_scanners_write_is_read(make_dicom, liberty):
    content = make_dicom(VALUES, BitsStored=16, HighBit=15)
    where = content.index(b"\xe0\x7f\x10\x00O")
    codestream = encapsulate([jpeg_lossless.encode(VALUES, **liberty)])
    head = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"
    end = b"\xfe\xff\xdd\xe0\0\0\0\0"
    ct = imaging.read(relabel(content[:where] + head + codestream + end, JPEGLosslessSV1))
    np.testing.assert_array_equal(ct.pixels, VALUES.astype(float) - 1024)


def test_a_point_transform_is_kept():
    frame_ = jpeg_lossless.encode(VALUES, shift=2, high=3, end=9)
    checked = check_lossless_frame(frame_, LOSSLESS)
    scan = checked.index(b"\xff\xda")
    assert checked[scan + 8 : scan + 10] == b"\x00\x02"


def with_interval(frame_: bytes, pixels: int) -> bytes:
    where = frame_.index(b"\xff\xdd")
    return frame_[: where + 4] + struct.pack(">H", pixels) + frame_[where + 6 :]


RESTARTED = jpeg_lossless.encode(VALUES, interval_rows=7)


@pytest.mark.parametrize(
    "wrong",
    [
        with_interval(RESTARTED, 139),  # no whole rows
        with_interval(RESTARTED, 80),  # more restarts than are there
        with_interval(RESTARTED, 0),
        RESTARTED.replace(b"\xff\xd1", b"\xff\xd2"),  # out of turn
        jpeg_lossless.encode(VALUES).replace(b"\xc3\x00\x0b\x10", b"\xc3\x00\x0b\x01"),  # precision
    ],
)
def test_restarts_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ImageError, match="agree with its header"):
        check_lossless_frame(wrong, LOSSLESS)
