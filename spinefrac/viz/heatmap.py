"""Heat maps over slices, their colours, and images for a browser.

NumPy and OpenCV only, so that the command line draws the same image as the pages.
"""

from __future__ import annotations

import base64

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.records import FloatImage, GreyImage

RgbImage = npt.NDArray[np.uint8]

#: Colours of the heat map from low to high contribution, sRGB. Hues that no grey slice has, and
#: none as bright as bone: what is drawn over cortical bone must not look like cortical bone.
DEFAULT_COLORMAP = ((255, 190, 60), (250, 130, 30), (230, 50, 35), (190, 10, 70))

#: The colour maps to choose from; the last one is for people with red-green colour blindness.
COLORMAPS = {
    "Fire": DEFAULT_COLORMAP,
    "Viridis": ((253, 231, 37), (94, 201, 98), (33, 145, 140), (59, 82, 139)),
    "Blue": ((150, 220, 255), (70, 165, 245), (40, 100, 220), (70, 40, 170)),
}

#: Longest side of an image that is sent to a browser, in pixels.
MAX_DISPLAY_SIDE = 1024

#: A contribution belongs to one point of the map, but its receptive field is wider: it is drawn
#: as a spot of this standard deviation, relative to the slice's longer side.
SMOOTHING_SIGMA_FRACTION = 0.014

#: Contributions below this share of the scale are transparent, so that the slice can be read.
TRANSPARENT_BELOW = 0.12


def _build_rgba_table() -> npt.NDArray[np.float32]:
    """Return R, G, B and opacity of 256 levels of contribution, shape (256, 4)."""
    level = np.linspace(0.0, 1.0, 256)
    at = np.linspace(0.0, 1.0, len(DEFAULT_COLORMAP))
    colours = [np.interp(level, at, channel) for channel in zip(*DEFAULT_COLORMAP, strict=True)]
    opacity = np.clip((level - TRANSPARENT_BELOW) / (1.0 - TRANSPARENT_BELOW), 0.0, 1.0) ** 0.5
    return np.stack([*colours, opacity], axis=1).astype(np.float32)


_RGBA_TABLE = _build_rgba_table()


def quantize_heatmap(heatmap: FloatImage, max_value: float | None = None) -> GreyImage:
    """Quantize a heat map to 256 levels; a contribution against a fracture is level 0.

    Parameters
    ----------
    heatmap : float32 array, shape (H, W)
        Contribution to the logit; positive raises the probability of fracture.
    max_value : float, optional
        The contribution of the last colour; the map's own maximum by default.

    Returns
    -------
    uint8 array, shape (H, W)
    """
    top = float(heatmap.max()) if max_value is None else max_value
    if not np.isfinite(top) or top <= 0.0:
        return np.zeros(heatmap.shape, np.uint8)
    return (np.clip(np.nan_to_num(heatmap), 0.0, top) / top * 255.0).round().astype(np.uint8)


def overlay_heatmap(
    grey: GreyImage, heatmap: FloatImage, alpha: float = 0.6, *, max_value: float | None = None
) -> RgbImage:
    """Lay a heat map over its slice.

    Parameters
    ----------
    grey : uint8 array, shape (H, W)
        The slice as `imaging.to_display` shows it.
    heatmap : float32 array, shape (H, W)
        `Prediction.heatmap`: contribution to the logit.
    alpha : float
        0 shows the slice alone, 1 covers it where the contribution is highest.
    max_value : float, optional
        The contribution of the last colour; the map's own maximum by default.

    Returns
    -------
    uint8 array, shape (H, W, 3)
        RGB.

    Raises
    ------
    ValueError
        If slice and heat map differ in shape or `alpha` is not in 0…1.
    """
    if grey.shape != heatmap.shape:
        raise ValueError(f"expected a heat map of shape {grey.shape}, got {heatmap.shape}")
    if not 0.0 <= alpha <= 1.0:
        raise ValueError(f"expected alpha between 0 and 1, got {alpha}")
    heat = _RGBA_TABLE[quantize_heatmap(smooth_heatmap(heatmap), max_value)]  # (H, W, 4)
    opacity = heat[..., 3:] * alpha  # (H, W, 1)
    base = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB).astype(np.float32)
    return (base + (heat[..., :3] - base) * opacity).round().astype(np.uint8)


def render_slice(
    grey: GreyImage, heatmap: FloatImage | None, alpha: float = 0.6
) -> npt.NDArray[np.uint8]:
    """Return a slice in RGB, (H, W, 3), with its heat map where there is one."""
    if heatmap is None:
        return np.repeat(grey[..., None], 3, axis=2)
    return overlay_heatmap(grey, heatmap, alpha)


def smooth_heatmap(heatmap: FloatImage) -> FloatImage:
    """Return a heat map (H, W) with each contribution spread over its receptive field."""
    sigma = SMOOTHING_SIGMA_FRACTION * max(heatmap.shape)
    return np.asarray(cv2.GaussianBlur(np.nan_to_num(heatmap), (0, 0), sigma), np.float32)


def list_colormaps() -> dict[str, list[tuple[int, int, int]]]:
    """Return the colour maps, low to high contribution, by their names."""
    return {name: list(stops) for name, stops in COLORMAPS.items()}


def encode_data_url(
    image: npt.NDArray[np.uint8],
    spacing_mm: tuple[float, float] | None = None,
    max_side: int = MAX_DISPLAY_SIDE,
) -> str:
    """Return an image as a ``data:`` URL, lossless, in its physical proportions.

    A patient's slice is then part of the page and never a file that a server hands out.

    Parameters
    ----------
    image : uint8 array, shape (H, W) or (H, W, 3)
        Grey or RGB.
    spacing_mm : (row, column), optional
        Distance of pixel centres; square pixels by default.
    max_side : int
        A longer side is reduced to this many pixels.

    Returns
    -------
    str
    """
    rows, columns = spacing_mm or (1.0, 1.0)
    finest = min(rows, columns)
    height, width = (n * mm / finest for n, mm in zip(image.shape, (rows, columns), strict=False))
    factor = min(1.0, max_side / max(height, width))
    size = [max(1, round(width * factor)), max(1, round(height * factor))]
    if size != [image.shape[1], image.shape[0]]:
        kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        image = cv2.resize(image, size, interpolation=kind)  # type: ignore[assignment]
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)  # type: ignore[assignment]
    _, content = cv2.imencode(".png", image)
    return "data:image/png;base64," + base64.b64encode(content.tobytes()).decode()


def encode_thumbnail(grey: GreyImage, max_side: int = 160) -> bytes:
    """Return a slice reduced to at most `max_side` pixels, as the bytes of a JPEG image."""
    factor = min(1.0, max_side / max(grey.shape))
    size = [max(1, round(length * factor)) for length in grey.shape[::-1]]
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    # WebP has half the bytes, but takes forty times as long, for every slice of a table.
    _, content = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return content.tobytes()


def thumbnail_url(thumbnail: bytes) -> str:
    """Return what `encode_thumbnail` gave as a ``data:`` URL."""
    return "data:image/jpeg;base64," + base64.b64encode(thumbnail).decode()
