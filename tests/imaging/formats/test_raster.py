"""Pictures of every kind."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from spinefrac import imaging
from spinefrac.errors import ImageError

GREY = (np.add.outer(np.arange(40), np.arange(30)) * 3).astype(np.uint8)


#: What turns a picture as it is stored into the picture as it is displayed, by orientation.
TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def encode(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["png", "tiff", "bmp", "jpeg"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_eight_bit_grey_is_taken_as_it_is(kind: str, mode: str) -> None:
    ct = imaging.read(encode(Image.fromarray(GREY).convert(mode), kind))
    assert (ct.format, ct.bits, ct.calibrated, ct.colour, ct.slice_count) == (
        kind,
        8,
        False,
        False,
        1,
    )
    np.testing.assert_allclose(ct.pixels, GREY, atol=6 if kind == "jpeg" else 1e-3)


@pytest.mark.parametrize("extension", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_spread_over_their_own_range(extension: str, channels: int) -> None:
    values = 1000 + GREY.astype(np.uint16)  # a 12-bit range inside 16 bits
    stack = values if channels == 1 else np.dstack([values] * channels)
    if channels == 4:
        stack[..., 3] = 65535
    ct = imaging.read(cv2.imencode(extension, stack)[1].tobytes())
    assert (ct.bits, ct.calibrated, ct.colour) == (16, False, False)
    np.testing.assert_allclose(ct.pixels, GREY * (255 / GREY.max()), atol=0.05)


def test_big_endian_tiff() -> None:
    big = Image.frombytes("I;16B", (30, 40), (GREY.astype(np.uint16) * 100).astype(">u2").tobytes())
    ct = imaging.read(encode(big, "tiff"))
    np.testing.assert_allclose(ct.pixels, GREY * (255 / GREY.max()), atol=0.01)


def test_signed_and_float_tiff() -> None:
    for mode, values in (("I", GREY.astype(np.int32) - 70), ("F", GREY.astype(np.float32) / 7 - 3)):
        ct = imaging.read(encode(Image.fromarray(values, mode), "tiff"))
        assert ct.bits == 32
        np.testing.assert_allclose(ct.pixels, GREY * (255 / GREY.max()), atol=0.01)


def test_palette_bilevel_and_transparency() -> None:
    assert (
        np.abs(imaging.read(encode(Image.fromarray(GREY).convert("P"), "png")).pixels - GREY).max()
        < 0.01
    )
    bilevel = imaging.read(encode(Image.fromarray(GREY > 90), "png"))
    assert bilevel.bits == 1
    np.testing.assert_array_equal(bilevel.pixels, np.where(GREY > 90, 255, 0))
    alpha = Image.fromarray(np.dstack([GREY, np.where(GREY > 90, 255, 0).astype(np.uint8)]), "LA")
    for picture in (alpha, alpha.convert("RGBA")):
        np.testing.assert_allclose(
            imaging.read(encode(picture, "png")).pixels, np.where(GREY > 90, GREY, 0), atol=1e-3
        )


def test_colour_is_noticed_but_not_jpeg_noise() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    jpeg = encode(Image.fromarray(noise).convert("RGB"), "jpeg", quality=30)
    assert not imaging.read(jpeg).colour
    assert imaging.read(encode(Image.fromarray(np.dstack([GREY, GREY, GREY // 2])), "png")).colour


@pytest.mark.parametrize("kind", ["png", "jpeg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int, kind: str) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode(Image.fromarray(GREY), kind, exif=exif.tobytes())
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(imaging.read(content).pixels, np.asarray(upright))


def write_tiff(values: np.ndarray, orientation: int, photometric: int) -> bytes:
    """Return an uncompressed little-endian TIFF of (H, W) or (H, W, 3) samples (TIFF 6.0)."""
    rows, columns, channels = np.atleast_3d(values).shape
    pixels = np.ascontiguousarray(values).tobytes()
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    bits = [8 * values.dtype.itemsize] * channels
    entries = [
        (256, [columns]), (257, [rows]), (258, bits), (259, [1]), (262, [photometric]),
        (273, [8]), (274, [orientation]), (277, [channels]), (278, [rows]),
        (279, [len(pixels)]), (339, [kind] * channels),
    ]  # fmt: skip
    start = 8 + len(pixels)
    extra, ifd = b"", struct.pack("<H", len(entries))
    for tag, numbers in entries:
        packed = struct.pack(f"<{len(numbers)}H", *numbers).ljust(4, b"\0")
        if len(packed) > 4:
            where = start + 2 + 12 * len(entries) + 4 + len(extra)
            extra, packed = extra + packed, struct.pack("<I", where)
        ifd += struct.pack("<HHI", tag, 3, len(numbers)) + packed
    return b"II*\0" + struct.pack("<I", start) + pixels + ifd + bytes(4) + extra


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_a_tiff_is_applied_once(orientation, channels, dtype) -> None:
    values = GREY if channels == 1 else np.dstack([GREY] * 3)
    content = write_tiff(values.astype(dtype), orientation, 1 if channels == 1 else 2)
    turned = Image.fromarray(GREY)
    if orientation > 1:
        turned = turned.transpose(TRANSPOSE[orientation])
    expected = np.asarray(turned, np.float64)
    if dtype == np.uint16:
        expected *= 255 / expected.max()
    np.testing.assert_allclose(imaging.read(content).pixels, expected, atol=0.01)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_tiff_whose_zero_is_white_is_inverted(dtype, orientation) -> None:
    white = imaging.read(write_tiff(255 - GREY.astype(dtype), orientation, 0)).pixels
    black = imaging.read(write_tiff(GREY.astype(dtype), orientation, 1)).pixels
    np.testing.assert_allclose(white, black, atol=0.01)


def test_samples_that_no_decoder_knows_are_named() -> None:
    with pytest.raises(ImageError, match="got another kind"):
        imaging.read(write_tiff(GREY.astype(np.int16), 1, 0))


def test_a_flat_sixteen_bit_picture_is_black() -> None:
    flat = cv2.imencode(".png", np.full((9, 9), 700, np.uint16))[1].tobytes()
    assert not imaging.read(flat).pixels.any()


def test_a_picture_has_one_position() -> None:
    content = encode(Image.fromarray(GREY), "png")
    assert imaging.read(content, slice_index=0).slice_index == 0
    with pytest.raises(ImageError, match="use 0"):
        imaging.read(content, slice_index=1)


def test_the_extension_is_not_believed(tmp_path) -> None:
    path = tmp_path / "slice.dcm"
    path.write_bytes(encode(Image.fromarray(GREY), "png"))
    assert imaging.read(path).format == imaging.read(str(path)).format == "png"
    assert imaging.read_with_header(path)[1] is None
