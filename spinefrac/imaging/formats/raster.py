"""PNG, JPEG, TIFF and BMP: slices that are windowed already, or 16-bit exports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

import cv2
import numpy as np
import numpy.typing as npt
from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from spinefrac.errors import ImageError
from spinefrac.imaging.limits import check_image_size
from spinefrac.records import CtSlice, FloatImage

# The readers themselves instead of Image.open: the format is known, and its own guard
# against huge images is a warning where `check_image_size` is an error.
_READERS: dict[str, Callable[[BinaryIO], Image.Image]] = {
    "png": PngImagePlugin.PngImageFile,
    "jpeg": JpegImagePlugin.JpegImageFile,
    "tiff": TiffImagePlugin.TiffImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
}

#: Channels may differ by this much, in 1/255, before an image counts as coloured: JPEG
#: stores chroma separately, and rounding on the way to RGB moves a grey by a level or two.
_CHROMA_TOLERANCE = 12

#: Pixels converted at a time, so that a 64-megapixel image needs no second large copy.
_BLOCK_PIXELS = 2**20

_EXIF_ORIENTATION_TAG = 0x0112
_PHOTOMETRIC_TAG = 0x0106


def read_raster(file: BinaryIO, kind: str) -> CtSlice:
    """Read an image as one grey slice.

    Colour becomes luma, transparency is laid over black, palettes are looked up, and grey that
    is stored inverted (TIFF, PhotometricInterpretation 0) is inverted. The orientation of EXIF or
    TIFF is applied once, as every viewer does, so that the heat map lies over the slice as it is
    displayed. Of a TIFF with several pages the first is read.

    Samples of 8 bits are grey values in 0…255 as they are. Samples of 16 bits (or 32, or
    float) carry no scale that the format defines: exports fill anything from 10 to 16 bits,
    signed or with an offset. They are therefore not Hounsfield units, and their own range is
    spread over 0…255.

    Parameters
    ----------
    file : binary file
        Seekable, at its start.
    kind : str
        ``png``, ``jpeg``, ``tiff`` or ``bmp``.

    Returns
    -------
    CtSlice
        Not calibrated; pixels float32 (H, W) in 0…255.

    Raises
    ------
    ImageError
        If the declared size is over the limits, or the kind of samples is not supported.
        Damage raises whatever Pillow raises.
    """
    with _open_image(file, kind) as image:
        columns, rows = image.size
        bits = _read_bit_depth(image, file, kind)
        channels = len(image.getbands())
        check_image_size(rows, columns, channels, sample_bytes=-(-max(bits, 8) // 8))
        # Pillow and OpenCV turn a TIFF when they decode it, and nothing else.
        orientation = 1 if kind == "tiff" else image.getexif().get(_EXIF_ORIENTATION_TAG, 1)
        is_inverted = _is_stored_inverted(image)
        samples = _decode_samples(image, file, bits)
    pixels, colour = to_luma(samples)
    if bits > 8 and samples.dtype != np.uint8:
        pixels = stretch_contrast(pixels)
        if is_inverted:
            pixels = np.float32(255) - pixels
    return CtSlice(
        pixels=_apply_exif_orientation(pixels, orientation),
        calibrated=False,
        format=kind,
        bits=bits,
        colour=colour,
    )


def _open_image(file: BinaryIO, kind: str) -> Image.Image:
    """Read the header of an image."""
    try:
        return _READERS[kind](file)
    except SyntaxError as error:
        if str(error) not in ("unknown pixel mode", "unknown data organization"):
            raise
        raise ImageError(
            f"expected a {kind.upper()} of grey or colour samples in 8, 16 or 32 bits, got "
            "another kind; export the slice as PNG or DICOM"
        ) from error


def _is_stored_inverted(image: Image.Image) -> bool:
    """Whether 0 is white and the decoder leaves it so: TIFF grey of more than 8 bits."""
    return (
        isinstance(image, TiffImagePlugin.TiffImageFile)
        and image.tag_v2.get(_PHOTOMETRIC_TAG) == 0
        and image.mode.startswith(("I", "F"))
    )


def stretch_contrast(pixels: FloatImage) -> FloatImage:
    """Spread the finite range of `pixels` (H, W) over 0…255, in place where it can."""
    finite = np.isfinite(pixels)
    if not finite.all():
        low = float(pixels[finite].min()) if finite.any() else 0.0
        high = float(pixels[finite].max()) if finite.any() else 0.0
        pixels = np.nan_to_num(pixels, copy=False, nan=low, posinf=high, neginf=low)
    low, high = float(pixels.min()), float(pixels.max())
    if high <= low:
        return np.zeros_like(pixels)
    pixels -= np.float32(low)
    pixels *= np.float32(255.0 / (high - low))
    return pixels


def _read_bit_depth(image: Image.Image, file: BinaryIO, kind: str) -> int:
    """Bits per sample as the header declares them."""
    if kind == "png":
        position = file.tell()
        file.seek(24)  # bit depth, the ninth byte of IHDR
        depth = file.read(1)[0]
        file.seek(position)
        return depth
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int(max(image.tag_v2.get(258, (1,))))  # BitsPerSample, default 1
    return 1 if image.mode == "1" else 8


def _decode_samples(image: Image.Image, file: BinaryIO, bits: int) -> npt.NDArray[Any]:
    """Decode to (H, W) grey, or (H, W, 2 or 4) with alpha, or (H, W, 3) RGB."""
    if bits == 16 and len(image.getbands()) > 1:
        # Pillow keeps only the high byte of several 16-bit channels; OpenCV keeps both.
        file.seek(0)
        samples = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
        if samples is None:
            raise ValueError("OpenCV could not decode the image")
        if samples.ndim == 3:
            samples[..., :3] = samples[..., 2::-1].copy()
        return samples
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode not in ("L", "LA", "RGB", "RGBA", "I", "F", "I;16", "I;16B", "I;16L"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return np.asarray(image)


def to_luma(samples: npt.NDArray[Any]) -> tuple[FloatImage, bool]:
    """Return luma over black, float32 (H, W), and whether the channels really differ."""
    if samples.ndim == 2:
        return samples.astype(np.float32), False
    full = float(np.iinfo(samples.dtype).max)
    rows, columns, channels = samples.shape
    grey = np.empty((rows, columns), dtype=np.float32)
    coloured = 0
    step = max(1, _BLOCK_PIXELS // columns)
    for top in range(0, rows, step):
        block = samples[top : top + step].astype(np.float32)
        if channels >= 3:
            rgb = np.ascontiguousarray(block[..., :3])
            grey[top : top + step] = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)  # Rec. 601 luma
            difference = rgb.max(axis=2) - rgb.min(axis=2)
            coloured += int((difference > full * _CHROMA_TOLERANCE / 255).sum())
        else:
            grey[top : top + step] = block[..., 0]
        if channels in (2, 4):
            grey[top : top + step] *= block[..., -1] / full
    return grey, coloured > 0.001 * rows * columns


def _apply_exif_orientation(pixels: FloatImage, orientation: int) -> FloatImage:
    """Apply the EXIF orientation 1…8 (Exif 2.3, tag 0x0112)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.T
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
