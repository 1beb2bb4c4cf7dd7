"""An augmented slice compared with its original, as images and curves."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.records import GreyImage
from spinefrac.viz.colours import CLASS_COLOURS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

#: Grey levels of difference that get the full colour.
FULL_SCALE_DIFFERENCE = 64
#: Pixels that are darker, brighter and unchanged, sRGB.
DARKER_COLOUR, BRIGHTER_COLOUR, UNCHANGED_COLOUR = (86, 180, 233), (240, 138, 75), (14, 18, 22)

#: Longest side of an animation, in pixels.
MAX_ANIMATION_SIDE = 320

_N_BINS = 64


def _build_difference_colormap() -> npt.NDArray[np.uint8]:
    """Return the colour of each change from -255 to 255, shape (511, 3)."""
    change = np.clip(np.arange(-255, 256) / FULL_SCALE_DIFFERENCE, -1, 1)[:, None]
    ends = np.where(change < 0, np.array(DARKER_COLOUR), np.array(BRIGHTER_COLOUR))
    return np.rint(np.array(UNCHANGED_COLOUR) + (ends - UNCHANGED_COLOUR) * np.abs(change)).astype(
        np.uint8
    )


_DIFFERENCE_COLORMAP = _build_difference_colormap()


def difference_image(
    before: GreyImage, after: GreyImage, max_side: int | None = None
) -> npt.NDArray[np.uint8]:
    """Return where and how much a slice became darker or brighter.

    Parameters
    ----------
    before, after : uint8 array, shape (H, W)
    max_side : int, optional
        The change is reduced by area means so that no side is longer, before it is coloured.

    Returns
    -------
    uint8 array, shape (H, W, 3) or smaller
        RGB: `UNCHANGED_COLOUR` where nothing changed, towards `DARKER_COLOUR` or
        `BRIGHTER_COLOUR` elsewhere.
    """
    change = cv2.subtract(after, before, dtype=cv2.CV_16S)
    factor = min(1.0, (max_side or max(change.shape)) / max(change.shape))
    if factor < 1:
        size = [max(1, round(side * factor)) for side in change.shape[::-1]]
        change = cv2.resize(change, size, interpolation=cv2.INTER_AREA)
    return _DIFFERENCE_COLORMAP[change + 255]


def encode_animation(images: Sequence[GreyImage], frame_duration_ms: int = 80) -> str:
    """Return images as a ``data:`` URL of an animation, forwards and backwards in a loop.

    Parameters
    ----------
    images : sequence of uint8 arrays, shape (H, W)
        Larger ones are reduced to `MAX_ANIMATION_SIDE`.
    frame_duration_ms : int
        Of each image.
    """
    from PIL import Image

    factor = min(1.0, MAX_ANIMATION_SIDE / max(images[0].shape))
    size = [round(length * factor) for length in images[0].shape[::-1]]
    small = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in images]
    first, *rest = (Image.fromarray(np.asarray(p)) for p in [*small, *small[-2:0:-1]])
    stream = io.BytesIO()
    # GIF holds 256 levels of grey without loss.
    first.save(stream, "GIF", save_all=True, append_images=rest, duration=frame_duration_ms, loop=0)
    return "data:image/gif;base64," + base64.b64encode(stream.getvalue()).decode()


def plot_grey_value_histogram(before: GreyImage, after: Sequence[GreyImage]) -> Figure:
    """Return histograms of the grey values, before and after.

    Parameters
    ----------
    before : uint8 array, shape (H, W)
    after : sequence of uint8 arrays, shape (H, W)
        Drawn as their mean and their range.

    Returns
    -------
    plotly Figure
        Shares of the pixels in `_N_BINS` bins of equal width, from 0 to 255.
    """
    from plotly import graph_objects

    centres = (np.arange(_N_BINS) + 0.5) * 256 / _N_BINS - 0.5
    first, shares = _bin_fractions(before), np.stack([_bin_fractions(image) for image in after])
    figure = graph_objects.Figure()
    outline = np.concatenate([centres, centres[::-1]])
    figure.add_scatter(
        x=outline,
        y=np.concatenate([shares.max(0), shares.min(0)[::-1]]),
        fill="toself",
        mode="lines",
        line={"width": 0, "color": CLASS_COLOURS[1]},
        opacity=0.35,
        name="after: range",
        hoverinfo="skip",
    )
    for name, y, colour, dash in (
        ("before", first, CLASS_COLOURS[0], "solid"),
        ("after: mean", shares.mean(0), CLASS_COLOURS[1], "dot"),
    ):
        figure.add_scatter(
            x=centres,
            y=y,
            mode="lines",
            name=name,
            line={"color": colour, "dash": dash, "width": 2},
            hovertemplate=f"grey value %{{x:.0f}}: %{{y:.2%}}<extra>{name}</extra>",
        )
    # The bin of black air around the patient is left out: it is far higher than all others.
    top = float(np.concatenate([first[1:], shares[:, 1:].ravel()]).max())
    figure.update_layout(
        height=340,
        margin={"l": 0, "r": 0, "t": 24, "b": 0},
        legend={"orientation": "h", "y": 1.14, "x": 0},
        xaxis={"title": "grey value", "range": [-3, 258], "dtick": 32},
        yaxis={"title": "share of the pixels", "tickformat": ".1%", "range": [0, 1.08 * top]},
    )
    return figure


def _bin_fractions(image: GreyImage) -> npt.NDArray[np.float64]:
    """Return the share of the pixels in each bin, shape (_N_BINS,)."""
    counts = np.bincount(image.ravel() // (256 // _N_BINS), minlength=_N_BINS)
    return counts / image.size
