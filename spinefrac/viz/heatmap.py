"""Numbers and heat maps as pictures: the one place where their colours are chosen.

The heat map over a slice is NumPy and OpenCV only, so that the command line draws the very
picture that the pages show. Plotly is imported where a figure is made.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.records import CLASS_NAMES, FloatImage, GreyImage

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

RgbImage = npt.NDArray[np.uint8]

#: Colours of the heat map from little to much evidence, sRGB. Hues that no grey slice has, and
#: none as bright as bone: what is drawn over cortical bone must not look like cortical bone.
DEFAULT_COLORMAP = ((255, 190, 60), (250, 130, 30), (230, 50, 35), (190, 10, 70))

#: Other colours to choose from: those of `viridis`, and one for who cannot tell red from green.
COLORMAPS = {
    "Fire": DEFAULT_COLORMAP,
    "Viridis": ((253, 231, 37), (94, 201, 98), (33, 145, 140), (59, 82, 139)),
    "Blue": ((150, 220, 255), (70, 165, 245), (40, 100, 220), (70, 40, 170)),
}

#: One colour a class, the index is the label; to be read on light and on dark.
CLASS_COLOURS = ("#4a9db6", "#e2703a")
THRESHOLD_COLOUR = "#8d99a4"

#: Longest side of a picture that is sent to a browser, in pixels.
MAX_DISPLAY_SIDE = 1024

#: A contribution stands at one point of the map, but the network saw what lies around it: it is
#: drawn as a spot of this standard deviation, relative to the slice's longer side.
SMOOTHING_SIGMA_FRACTION = 0.014

#: Evidence below this share of the scale is left clear, so that the slice can be read.
TRANSPARENT_BELOW = 0.12


def _build_rgba_table() -> npt.NDArray[np.float32]:
    """Return colour and opacity of 256 levels of evidence, shape (256, 4): R, G, B, opacity."""
    level = np.linspace(0.0, 1.0, 256)
    at = np.linspace(0.0, 1.0, len(DEFAULT_COLORMAP))
    colours = [np.interp(level, at, channel) for channel in zip(*DEFAULT_COLORMAP, strict=True)]
    opacity = np.clip((level - TRANSPARENT_BELOW) / (1.0 - TRANSPARENT_BELOW), 0.0, 1.0) ** 0.5
    return np.stack([*colours, opacity], axis=1).astype(np.float32)


_RGBA_TABLE = _build_rgba_table()


def quantize_heatmap(heatmap: FloatImage, max_value: float | None = None) -> GreyImage:
    """Bring a heat map to 256 levels; what speaks against a fracture is level 0.

    Parameters
    ----------
    heatmap : float32 array, shape (H, W)
        Contribution to the logit; positive speaks for fracture.
    max_value : float, optional
        The contribution that gets the strongest colour; the map's own maximum by default.

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
        The slice as `imaging.display` shows it.
    heatmap : float32 array, shape (H, W)
        `Prediction.heatmap`: contribution to the logit, positive speaks for fracture.
    alpha : float
        0 shows the slice alone, 1 covers it where the evidence is strongest.
    max_value : float, optional
        The contribution that gets the strongest colour; the map's own maximum by default.

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
        raise ValueError(f"the heat map must be as the slice, {grey.shape}, not {heatmap.shape}")
    if not 0.0 <= alpha <= 1.0:
        raise ValueError(f"strength must be between 0 and 1, not {alpha}")
    heat = _RGBA_TABLE[quantize_heatmap(smooth_heatmap(heatmap), max_value)]  # (H, W, 4)
    opacity = heat[..., 3:] * alpha  # (H, W, 1)
    base = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB).astype(np.float32)
    return (base + (heat[..., :3] - base) * opacity).round().astype(np.uint8)


def render_slice(
    grey: GreyImage, heatmap: FloatImage | None, alpha: float = 0.6
) -> npt.NDArray[np.uint8]:
    """Return a slice in RGB, (H, W, 3): under its heat map, or bare where there is none."""
    if heatmap is None:
        return np.repeat(grey[..., None], 3, axis=2)
    return overlay_heatmap(grey, heatmap, alpha)


def smooth_heatmap(heatmap: FloatImage) -> FloatImage:
    """Spread each contribution (H, W) over what the network saw of it; constant maps stay so."""
    sigma = SMOOTHING_SIGMA_FRACTION * max(heatmap.shape)
    return np.asarray(cv2.GaussianBlur(np.nan_to_num(heatmap), (0, 0), sigma), np.float32)


def list_colormaps() -> dict[str, list[tuple[int, int, int]]]:
    """Return the choices of colours for evidence, little to much, by their names."""
    return {name: list(stops) for name, stops in COLORMAPS.items()}


def heat_gradient() -> str:
    """Return the heat map's colours as a CSS gradient, clear to strongest, for a legend."""
    picked = _RGBA_TABLE[np.linspace(0, 255, 9).round().astype(int)]
    stops = [f"rgba({r:.0f},{g:.0f},{b:.0f},{opacity:.2f})" for r, g, b, opacity in picked]
    return f"linear-gradient(90deg,{','.join(stops)})"


def encode_data_url(
    image: npt.NDArray[np.uint8],
    spacing_mm: tuple[float, float] | None = None,
    max_side: int = MAX_DISPLAY_SIDE,
) -> str:
    """Return a picture as a ``data:`` address, lossless, in its physical proportions.

    So a patient's slice travels inside the page and is never a file that a server hands out.

    Parameters
    ----------
    image : uint8 array, shape (H, W) or (H, W, 3)
        Grey or RGB.
    spacing_mm : (row, column), optional
        Distance of pixel centres; square pixels by default.
    max_side : int
        A longer side is shrunk to this many pixels.

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
    """Return a slice shrunk to at most `max_side` pixels, as the bytes of a WebP picture."""
    factor = min(1.0, max_side / max(grey.shape))
    size = [max(1, round(length * factor)) for length in grey.shape[::-1]]
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    _, content = cv2.imencode(".webp", small, [cv2.IMWRITE_WEBP_QUALITY, 82])
    return content.tobytes()


def plot_score_histogram(
    y_true: npt.NDArray[np.int64], y_score: npt.NDArray[np.float64], threshold: float
) -> Figure:
    """Return the distribution of out-of-fold probabilities of both classes.

    Parameters
    ----------
    y_true : int array, shape (N,)
        1 for fracture, 0 for none.
    y_score : float array, shape (N,)
    threshold : float
        Marked by a line.

    Returns
    -------
    plotly Figure
        Colours, fonts and background are left to the page's theme.
    """
    from plotly import graph_objects

    figure = graph_objects.Figure()
    for label, (name, colour) in enumerate(zip(CLASS_NAMES, CLASS_COLOURS, strict=True)):
        figure.add_histogram(
            x=y_score[y_true == label],
            name=name,
            marker_color=colour,
            xbins={"start": 0.0, "end": 1.0001, "size": 0.05},
            hovertemplate=f"%{{y}} slices<extra>{name}</extra>",
        )
    figure.add_vline(
        x=threshold,
        line={"width": 2, "dash": "dot", "color": THRESHOLD_COLOUR},
        annotation_text="threshold",
    )
    figure.update_layout(
        barmode="group",
        bargap=0.15,
        height=300,
        margin={"l": 0, "r": 0, "t": 24, "b": 0},
        legend={"orientation": "h", "y": 1.12, "x": 0},  # the buttons are on the right
        xaxis={
            "title": "probability of fracture",
            "range": [0, 1.005],
            "dtick": 0.2,
            "tickformat": ".0%",
        },
        yaxis={"title": "slices"},
    )
    return figure
