"""A raster with millimetre coordinates, and the few shapes that anatomy is drawn with.

Everything is drawn in the vertebra's own frame: the origin is the centre of the vertebral
body, x grows to the image's right, y grows to the patient's back. Polygons are float arrays
of shape (n, 2) in millimetres.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
Field = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]
Region2D = tuple[slice, slice]

_SHIFT = 4  # fractional bits of OpenCV's polygon corners: 1/16 pixel


@dataclass(frozen=True)
class Canvas:
    """A raster laid over the vertebra's frame.

    Attributes
    ----------
    matrix : float64 array, shape (2, 3)
        From millimetres (x, y, 1) to pixels (column, row); whole numbers are pixel centres.
    height, width : int
        Size in pixels.
    """

    matrix: npt.NDArray[np.float64]
    height: int
    width: int

    @classmethod
    def from_extent(
        cls, left: float, top: float, right: float, bottom: float, pixel_size_mm: float
    ) -> Canvas:
        """Return an upright canvas over a rectangle in mm, with pixels of `pixel_size_mm` mm."""
        matrix = np.array(
            [
                [1 / pixel_size_mm, 0.0, -left / pixel_size_mm],
                [0.0, 1 / pixel_size_mm, -top / pixel_size_mm],
            ]
        )
        return cls(
            matrix,
            math.ceil((bottom - top) / pixel_size_mm),
            math.ceil((right - left) / pixel_size_mm),
        )

    @property
    def pixel_size_mm(self) -> float:
        """Side of a pixel in millimetres."""
        return float(1.0 / math.hypot(self.matrix[0, 0], self.matrix[1, 0]))

    def empty_mask(self) -> Mask:
        """Return an empty mask, shape (height, width)."""
        return np.zeros((self.height, self.width), np.uint8)

    def to_pixels(self, points: npt.ArrayLike) -> Points:
        """Return where points given in mm lie, as (column, row), shape (n, 2)."""
        points = np.asarray(points, np.float64)
        return points @ self.matrix[:, :2].T + self.matrix[:, 2]

    def fill_polygon(
        self, image: npt.NDArray[Any], polygon: npt.ArrayLike, value: float = 1
    ) -> None:
        """Set the inside of a polygon to `value`, in place."""
        corners = np.round(self.to_pixels(polygon) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(image, [corners], float(value), lineType=cv2.LINE_8, shift=_SHIFT)

    def polygon_mask(self, *polygons: npt.ArrayLike) -> Mask:
        """Return the union of polygons as a 0/1 mask."""
        mask = self.empty_mask()
        for polygon in polygons:
            self.fill_polygon(mask, polygon)
        return mask

    def curve_mask(self, points: npt.ArrayLike) -> Mask:
        """Return a one-pixel-wide open curve as a 0/1 mask."""
        mask = self.empty_mask()
        corners = np.round(self.to_pixels(points) * (1 << _SHIFT)).astype(np.int32)
        cv2.polylines(mask, [corners], False, 1.0, 1, cv2.LINE_8, _SHIFT)
        return mask

    def smooth_noise(self, rng: np.random.Generator, scale_mm: float) -> Field:
        """Return smooth noise of about unit variance whose grains measure `scale_mm`.

        The random numbers are drawn on a lattice in millimetres, so the same generator gives
        the same pattern at every resolution.
        """
        rows = max(2, round(self.height * self.pixel_size_mm / scale_mm) + 1)
        columns = max(2, round(self.width * self.pixel_size_mm / scale_mm) + 1)
        lattice = rng.standard_normal((rows, columns), dtype=np.float32)
        smooth = cv2.resize(lattice, (self.width, self.height), interpolation=cv2.INTER_CUBIC)
        return np.asarray(smooth * np.float32(1.3), np.float32)

    def blur(self, image: Field, sigma_mm: float) -> Field:
        """Return an image blurred by a Gaussian given in millimetres."""
        sigma = sigma_mm / self.pixel_size_mm
        if sigma < 0.15:
            return image
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))

    def crop_around(self, shapes: Sequence[Points], margin_mm: float) -> tuple[Canvas, Region2D]:
        """Return the part of the raster that holds some shapes and a margin around them."""
        corners = self.to_pixels(np.vstack(shapes))
        margin = margin_mm / self.pixel_size_mm
        left, top = np.maximum(np.floor(corners.min(0) - margin), 0).astype(int)
        right, bottom = np.ceil(corners.max(0) + margin).astype(int) + 1
        right, bottom = min(right, self.width), min(bottom, self.height)
        shifted = self.matrix - np.array([[0, 0, left], [0, 0, top]])
        inner = Canvas(shifted, max(int(bottom - top), 0), max(int(right - left), 0))
        return inner, (slice(int(top), int(bottom)), slice(int(left), int(right)))

    def transform_to(self, other: Canvas) -> npt.NDArray[np.float64]:
        """Return the 2×3 matrix that takes this canvas's pixels to another's."""
        here = np.vstack([self.matrix, [0.0, 0.0, 1.0]])
        there = np.vstack([other.matrix, [0.0, 0.0, 1.0]])
        return np.asarray((there @ np.linalg.inv(here))[:2])


def catmull_rom(points: npt.ArrayLike, samples: int = 12) -> Points:
    """Return a closed Catmull-Rom curve through points, `samples` per span."""
    p = np.asarray(points, np.float64)
    before, after, far = np.roll(p, 1, 0), np.roll(p, -1, 0), np.roll(p, -2, 0)
    t = np.linspace(0, 1, samples, endpoint=False)[None, :, None]
    a, b, c, d = before[:, None], p[:, None], after[:, None], far[:, None]
    curve = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
    return np.asarray(curve.reshape(-1, 2))


def symmetric_outline(half: npt.ArrayLike) -> Points:
    """Return a smooth closed outline from its right half.

    `half` runs from the front midline to the back midline; its first and last point lie on
    the midline and are not doubled.
    """
    right = np.asarray(half, np.float64)
    return catmull_rom(np.vstack([right, right[-2:0:-1] * (-1.0, 1.0)]))


def ellipse(x: float, y: float, rx: float, ry: float, rotation: float = 0.0, n: int = 48) -> Points:
    """Return an ellipse with half axes `rx`, `ry`, rotated by `rotation` radians."""
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    u, v = rx * np.cos(angle), ry * np.sin(angle)
    return np.stack(
        [
            x + u * math.cos(rotation) - v * math.sin(rotation),
            y + u * math.sin(rotation) + v * math.cos(rotation),
        ],
        axis=1,
    )


def irregular_ellipse(
    rng: np.random.Generator, x: float, y: float, rx: float, ry: float, roughness: float = 0.08
) -> Points:
    """Return an ellipse whose outline wanders by the fraction `roughness` of its radius."""
    outline = ellipse(0, 0, rx, ry, n=10) * (1 + roughness * rng.standard_normal((10, 1)))
    return np.asarray(catmull_rom(outline, 6) + np.array([x, y]))


def resample_path(path: npt.ArrayLike, n: int = 24) -> Points:
    """Return an open polyline resampled to `n` evenly spaced, slightly rounded points."""
    p = np.asarray(path, np.float64)
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(p, axis=0).T))])
    at = np.linspace(0, length[-1], n)
    line = np.stack([np.interp(at, length, p[:, i]) for i in (0, 1)], axis=1)
    for _ in range(6 if len(p) > 2 else 0):  # round the corners
        line[1:-1] = (line[:-2] + 2 * line[1:-1] + line[2:]) / 4
    return line


def tapered_stroke(path: npt.ArrayLike, widths: Sequence[float], n: int = 24) -> Points:
    """Return the outline of a round-ended limb of changing width (mm) along a path."""
    line = resample_path(path, n)
    half = np.interp(np.linspace(0, 1, n), np.linspace(0, 1, len(widths)), widths)[:, None] / 2
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.hypot(*along.T)[:, None], 1e-9)
    across = along[:, ::-1] * (-1.0, 1.0)
    turn = np.linspace(0, np.pi, 9)[1:-1, None]
    tip = line[-1] + half[-1] * (np.cos(turn) * across[-1] + np.sin(turn) * along[-1])
    root = line[0] - half[0] * (np.cos(turn) * across[0] + np.sin(turn) * along[0])
    return np.vstack([line + half * across, tip, (line - half * across)[::-1], root])


def mirror(points: npt.ArrayLike) -> Points:
    """Return points reflected in the midline."""
    return np.asarray(points, np.float64) * (-1.0, 1.0)
