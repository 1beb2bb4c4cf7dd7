"""Fracture lines drawn into the bone of a real slice."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np

from spinefrac.data.phantom.canvas import Canvas, Field, Mask, Points
from spinefrac.data.phantom.fractures import irregular_line
from spinefrac.data.phantom.plan import Difficulty
from spinefrac.imaging.bone_crop import find_bone_square, segment_bone
from spinefrac.records import CtSlice, FloatImage

_RASTER_MM = 0.3  # lines are drawn on a raster at least as fine, and averaged down
_MOST_RASTER = 1400  # pixels a side of that raster
_FIELD_MM = 180.0  # field of view of a slice that does not state its spacing
_CLOSING_MM = 2.0  # lucent spots in bone that are smaller belong to it
_HOLE_MM2 = 120.0  # as do enclosed holes; the canal is larger
_OVERSHOOT_MM = 1.0
_LONGEST_MM = 70.0
_LEAST_PIXELS = 15  # of a mask
_LEAST_CHANGE = {True: 80.0, False: 7.0}  # mean in the mask, HU or grey values
_TRIES = 12


@dataclass(frozen=True)
class LinedSlice:
    """A slice with fracture lines: `pixels` as those of `CtSlice`, `mask` 1 where lines are."""

    pixels: FloatImage
    mask: Mask


@dataclass(frozen=True)
class _RealBone:
    """The bone in the square around it. `soft` and `pixels` have the slice's own resolution,
    `mask` and `depth` (mm) that of `canvas`; `tissue` is the value of what surrounds the bone."""

    canvas: Canvas
    mask: Mask
    depth: Field
    pixels: FloatImage
    soft: FloatImage
    tissue: float


def draw_lines(ct: CtSlice, difficulty: Difficulty, rng: np.random.Generator) -> LinedSlice | None:
    """Draw the lines of one fracture into a slice.

    Parameters
    ----------
    ct : CtSlice
        Without a fracture.
    difficulty : Difficulty
        Width and contrast of the lines.
    rng : numpy.random.Generator

    Returns
    -------
    LinedSlice or None
        None where there is too little bone to show a line.
    """
    square = find_bone_square(ct)
    top, left = max(square.top, 0), max(square.left, 0)
    place = slice(top, square.top + square.side), slice(left, square.left + square.side)
    spacing = max(ct.spacing_mm) if ct.spacing_mm else _FIELD_MM / max(ct.pixels.shape)
    bone = _find_bone(ct.pixels[place], spacing, ct.calibrated)
    if bone is None:
        return None
    for _ in range(_TRIES):
        loss = _lose_density(bone, spacing, difficulty, rng)
        inside = _threshold(loss / np.maximum(bone.soft - bone.tissue, 1.0))
        shown = inside & (loss > 0.4 * _LEAST_CHANGE[ct.calibrated])
        if shown.sum() >= _LEAST_PIXELS and loss[shown].mean() >= _LEAST_CHANGE[ct.calibrated]:
            pixels, mask = ct.pixels.copy(), np.zeros(ct.pixels.shape, np.uint8)
            pixels[place] -= loss
            mask[place] = shown
            return LinedSlice(pixels, mask)
    return None


def _threshold(share: Field) -> np.ndarray:
    """Return where lines are; of lines that fill no pixel, where they fill the most."""
    return np.asarray(share > min(0.3, 0.6 * float(share.max())))


def _find_bone(pixels: FloatImage, spacing: float, calibrated: bool) -> _RealBone | None:
    """Find the bone in the square around it."""
    soft = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 0.9), np.float32)
    coarse, _ = segment_bone(soft, calibrated=calibrated)
    if coarse.sum() < 60:
        return None
    enlarge = min(ceil(spacing / _RASTER_MM), max(1, _MOST_RASTER // max(pixels.shape)))
    step = spacing / enlarge
    # Pixel centres of the fine raster, in mm from the corner of the coarse one.
    canvas = Canvas(
        np.array([[1 / step, 0, -0.5], [0, 1 / step, -0.5]]),
        pixels.shape[0] * enlarge,
        pixels.shape[1] * enlarge,
    )
    size = (canvas.width, canvas.height)
    fine = cv2.resize(coarse.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    mask = _fill(np.asarray(fine > 0.5, np.uint8), step)
    depth = np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 3) * np.float32(step))
    wide, narrow = (cv2.dilate(coarse, np.ones((n, n), np.uint8)) for n in (9, 3))
    ring = np.asarray(wide, np.uint8) > np.asarray(narrow, np.uint8)
    tissue = float(np.median(soft[ring])) if ring.any() else 0.0
    return _RealBone(canvas, mask, depth, pixels, soft, tissue)


def _fill(mask: Mask, step: float) -> Mask:
    """Return a mask of bone with its marrow."""
    size = 2 * round(_CLOSING_MM / 2 / step) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    closed = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, kernel), np.uint8)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(1 - closed, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] * step**2 < _HOLE_MM2
    small[0] = False
    return np.asarray(closed | small[parts], np.uint8)


def _lose_density(
    bone: _RealBone, spacing: float, difficulty: Difficulty, rng: np.random.Generator
) -> Field:
    """Return what lines take from each pixel, of the shape of `bone.pixels`; 0 or more."""
    low, high = difficulty.width_mm
    width = rng.uniform(max(low, 1.0 * spacing), max(high, 1.7 * spacing))
    drawn = bone.canvas.empty_mask()
    for line in _sample_lines(bone, difficulty, rng):
        drawn |= bone.canvas.curve_mask(line)
    step = np.float32(bone.canvas.pixel_size_mm)
    distance = cv2.distanceTransform(1 - drawn, cv2.DIST_L2, 5) * step
    half = 0.5 * width * np.clip(1 + 0.3 * bone.canvas.smooth_noise(rng, 3.0), 0.55, 1.5)
    gap = np.clip((half - distance) / step + 0.5, 0, 1) * bone.mask
    gap = bone.canvas.blur(np.asarray(gap, np.float32), 0.35 * max(spacing, 0.6))
    size = bone.pixels.shape[::-1]
    share = np.asarray(cv2.resize(gap, size, interpolation=cv2.INTER_AREA), np.float32)
    # Of the smoothed slice, so that its noise stays as it is.
    dense = np.maximum(bone.soft - np.float32(bone.tissue), 0)
    return np.asarray(np.float32(rng.uniform(*difficulty.contrast)) * share * dense, np.float32)


def _sample_lines(
    bone: _RealBone, difficulty: Difficulty, rng: np.random.Generator
) -> list[Points]:
    """Draw the axes of the lines, mm: across thin bone, anywhere through thick bone."""
    lines = _sample_one(bone, rng)
    while rng.uniform() < 0.5 * difficulty.extra_line_probability:
        lines += _sample_one(bone, rng)
    return lines


def _sample_one(bone: _RealBone, rng: np.random.Generator) -> list[Points]:
    rows, columns = np.nonzero(bone.depth > 0.5 * bone.canvas.pixel_size_mm)
    at = int(rng.integers(len(rows)))
    step = bone.canvas.pixel_size_mm
    start = (np.array([columns[at], rows[at]]) + 0.5) * step
    angles = rng.uniform(0, np.pi) + np.arange(12) * np.pi / 12
    reaches = np.array([[_reach(bone, start, a + k) for k in (0, np.pi)] for a in angles])
    chords = reaches.sum(1)
    rough = rng.uniform(0.05, 0.2)
    if bone.depth[rows[at], columns[at]] > 5 and rng.uniform() < 0.35:  # a star in thick bone
        chosen = rng.permutation(12)[: rng.integers(3, 6)]
        sides = rng.integers(0, 2, len(chosen))
        return [
            irregular_line(start, _go(start, angles[i] + np.pi * s, reaches[i, s]), rng, rough)
            for i, s in zip(chosen, sides, strict=True)
        ]
    short = np.flatnonzero(chords <= 1.6 * chords.min())  # across a limb rather than along it
    thin = chords.min() < (15 if rng.uniform() < 0.5 else 8)
    index = int(rng.choice(short)) if thin else int(rng.integers(12))
    ahead, behind = reaches[index] + _OVERSHOOT_MM
    if rng.uniform() < 0.25 and chords[index] > 8:  # incomplete: it ends inside
        ahead *= rng.uniform(0.1, 0.7)
    first = _go(start, angles[index] + np.pi, behind)
    return [irregular_line(first, _go(start, angles[index], ahead), rng, rough)]


def _go(start: Points, angle: float, length: float) -> Points:
    return start + length * np.array([np.cos(angle), np.sin(angle)])


def _reach(bone: _RealBone, start: Points, angle: float) -> float:
    """Return how far bone goes from a point in a direction, mm."""
    step = bone.canvas.pixel_size_mm
    along = np.arange(0, _LONGEST_MM, step)
    points = start + along[:, None] * np.array([np.cos(angle), np.sin(angle)])
    at = (points / step).astype(int)
    at = np.clip(at, 0, (bone.canvas.width - 1, bone.canvas.height - 1))
    outside = np.flatnonzero(bone.mask[at[:, 1], at[:, 0]] == 0)
    return float(along[outside[0]]) if len(outside) else _LONGEST_MM
