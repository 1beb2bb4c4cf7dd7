"""A slice and its heat map in the format of the pages' viewer: values, not a rendered image.

The browser applies window, zoom and colours and reads single values itself, so that a slider
needs no request to the server, and the value under the pointer is that of the file.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.imaging.geometry import SliceGeometry
from spinefrac.imaging.hounsfield import WINDOW_PRESETS
from spinefrac.records import CtSlice, FloatImage
from spinefrac.viz import heatmap as heatmaps

#: Name of the file's own window in the list of windows.
FILE_WINDOW_NAME = "From file"

#: Largest number of peaks, and their least distance as a share of the longer side.
MAX_PEAKS = 3
_MIN_PEAK_DISTANCE = 0.06

#: Peaks with a smaller share of the contributions are left out.
_MIN_PEAK_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class HeatmapPeak:
    """A local maximum of a heat map, in the slice's own pixels.

    `share` is the share of all positive contributions that lie around it, 0…1.
    """

    row: int
    column: int
    share: float


def find_heatmap_peaks(heatmap: FloatImage, max_peaks: int = MAX_PEAKS) -> tuple[HeatmapPeak, ...]:
    """Return the highest peaks of a heat map, the one with the largest share first.

    Parameters
    ----------
    heatmap : float32 array, shape (H, W)
        Contribution to the logit; only positive values are used.
    max_peaks : int

    Returns
    -------
    tuple of HeatmapPeak
        Apart from each other by a sixteenth of the longer side; each share is of the
        contributions within half of that which no higher peak includes. Empty where no
        contribution is positive.
    """
    contributions = np.clip(np.nan_to_num(heatmap), 0.0, None)
    total = float(contributions.sum(dtype=np.float64))
    if total <= 0.0:
        return ()
    spots = heatmaps.smooth_heatmap(contributions)
    radius = max(1.0, _MIN_PEAK_DISTANCE * max(heatmap.shape))
    found: list[HeatmapPeak] = []
    for _ in range(max_peaks):
        row, column = (int(at) for at in np.unravel_index(int(np.argmax(spots)), spots.shape))
        if spots[row, column] <= 0.0:
            break
        # Looked at alone, the surroundings take a twentieth of the time of the whole slice.
        around, away = _find_surroundings(row, column, 2 * radius, spots.shape)
        near = away <= radius**2
        share = float(contributions[around][near].sum(dtype=np.float64)) / total
        if share < _MIN_PEAK_SHARE:
            break
        found.append(HeatmapPeak(row, column, share))
        contributions[around][near] = 0.0
        spots[around][away <= (2 * radius) ** 2] = 0.0
    return tuple(sorted(found, key=lambda point: -point.share))


def _find_surroundings(
    row: int, column: int, radius: float, shape: tuple[int, ...]
) -> tuple[tuple[slice, slice], npt.NDArray[np.int64]]:
    """Return the square around a pixel as slices (h, w), and squared distances from it (h, w)."""
    reach = math.ceil(radius)
    rows = np.arange(max(row - reach, 0), min(row + reach + 1, shape[0]))
    columns = np.arange(max(column - reach, 0), min(column + reach + 1, shape[1]))
    around = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return around, (rows[:, None] - row) ** 2 + (columns - column) ** 2


def encode_payload(
    ct: CtSlice,
    heatmap: FloatImage | None,
    geometry: SliceGeometry | None = None,
    extra_header: Mapping[str, Any] | None = None,
) -> bytes:
    """Pack a slice for the viewer.

    Parameters
    ----------
    ct : CtSlice
    heatmap : float32 array, shape (H, W), or None
        Contribution to the logit.
    geometry : SliceGeometry, optional
        For the orientation letters at the edges, and the position.
    extra_header : mapping, optional
        Further JSON values for the header.

    Returns
    -------
    bytes
        Length of the header (uint32, little endian), the header as JSON in UTF-8, and then,
        deflated by zlib, the low and then the high bytes of h × w int16 values and, with a heat
        map, h × w uint8 levels. The values are Hounsfield units or grey values; a slice longer than
        `heatmap.MAX_DISPLAY_SIDE` is reduced by area means to the size `shown` in the header.
    """
    values, levels = ct.pixels, None
    points: tuple[HeatmapPeak, ...] = ()
    if heatmap is not None:
        levels = heatmaps.quantize_heatmap(heatmaps.smooth_heatmap(heatmap))
        points = find_heatmap_peaks(heatmap)
    rows, columns = ct.pixels.shape
    factor = min(1.0, heatmaps.MAX_DISPLAY_SIDE / max(rows, columns))
    if factor < 1.0:
        size = [max(1, round(columns * factor)), max(1, round(rows * factor))]
        values = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
        if levels is not None:
            levels = np.asarray(cv2.resize(levels, size, interpolation=cv2.INTER_AREA), np.uint8)
    whole = np.clip(np.rint(values), -32768, 32767).astype("<i2")
    header = {
        "size": [rows, columns],
        "shown": list(values.shape),
        "spacing": list(ct.spacing_mm) if ct.spacing_mm else None,
        "unit": "HU" if ct.calibrated else "grey",
        "windows": _available_windows(ct),
        "range": [int(whole.min()), int(whole.max())],
        "letters": list(geometry.orientation_letters) if geometry else ["", "", "", ""],
        "heat": levels is not None,
        "maps": heatmaps.list_colormaps(),
        "points": [asdict(point) for point in points],
        **(extra_header or {}),
    }
    head = json.dumps(header, allow_nan=False).encode()
    body = np.moveaxis(whole.view(np.uint8).reshape(-1, 2), 1, 0).tobytes()
    body += b"" if levels is None else levels.tobytes()
    return struct.pack("<I", len(head)) + head + _deflate(body)


def _deflate(body: bytes) -> bytes:
    """Deflate by runs alone: with bytes apart, smaller than by matches, in half the time."""
    packer = zlib.compressobj(1, strategy=zlib.Z_RLE)
    return packer.compress(body) + packer.flush()


def _available_windows(ct: CtSlice) -> list[tuple[str, float, float]]:
    """Return name, centre and width of each window; the first one is the default."""
    if not ct.calibrated:
        return [("As stored", 127.5, 255.0)]
    own = [(FILE_WINDOW_NAME, *ct.window)] if ct.window else []
    return own + [(name, center, width) for name, (center, width) in WINDOW_PRESETS.items()]
