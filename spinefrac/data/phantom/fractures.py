"""Fractures: irregular gaps of physical width that break the cortex, and shifted fragments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from spinefrac.data.phantom.anatomy import Bone, FractureSite
from spinefrac.data.phantom.canvas import Canvas, Field, Mask, Points, irregular_ellipse
from spinefrac.data.phantom.plan import Difficulty

_LINE_OVERSHOOT_MM = 2.0  # mm that a line runs on outside the cortex that it breaks
_DISPLACEMENT_RANGE_MM = 4.0  # mm from a line within which displaced bone counts as the fracture
_FRAGMENT_AREA_MM2 = (6.0, 700.0)  # mm²; smaller is a chip, larger is the vertebra itself
_MAX_FRAGMENTS = 3


@dataclass(frozen=True)
class FracturedBone:
    """A bone after its fracture; `fracture_mask` is the ground truth, 0/1 on the bone's raster."""

    bone: Bone
    fracture_mask: Mask


def add_fracture(
    bone: Bone,
    difficulty: Difficulty,
    rng: np.random.Generator,
    lines_of: Callable[[Bone, Difficulty, np.random.Generator], list[Points]] | None = None,
) -> FracturedBone:
    """Break a bone.

    Parameters
    ----------
    bone : Bone
        Unbroken; is not changed.
    difficulty : Difficulty
    rng : numpy.random.Generator
    lines_of : callable, optional
        Draws the axes of the lines, mm; by default `sample_lines`.

    Returns
    -------
    FracturedBone
        Its mask holds every line within the bone and, near them, where displacement added or
        removed bone; it does not hold the far outline of a shifted fragment.
    """
    width = rng.uniform(*difficulty.width_mm)
    contrast = rng.uniform(*difficulty.contrast)
    lines = (lines_of or sample_lines)(bone, difficulty, rng)
    drawn = bone.canvas.empty_mask()
    for line in lines:
        drawn |= bone.canvas.curve_mask(line)
    distance = cv2.distanceTransform(1 - drawn, cv2.DIST_L2, 5) * np.float32(
        bone.canvas.pixel_size_mm
    )
    # Width wanders along the line; the pixel-wide ramp keeps it exact below a pixel.
    half = 0.5 * width * np.clip(1 + 0.3 * bone.canvas.smooth_noise(rng, 3.0), 0.55, 1.5)
    gap = np.clip((half - distance) / bone.canvas.pixel_size_mm + 0.5, 0, 1)
    hu = bone.hu - gap * contrast * np.maximum(bone.hu - rng.uniform(-10, 60), 0)
    broken = replace(bone, hu=np.asarray(hu, np.float32), mask=bone.mask.copy())
    if rng.uniform() < difficulty.displacement_probability:
        _displace_fragments(broken, distance, lines, difficulty, rng)
    if rng.uniform() < difficulty.displacement_probability * 0.7:
        _add_chips(broken, lines, rng)
    moved = (broken.mask != bone.mask) & (distance < _DISPLACEMENT_RANGE_MM)
    truth = ((gap > 0.5) & (bone.mask > 0)) | moved
    return FracturedBone(broken, truth.astype(np.uint8))


# --- lines -------------------------------------------------------------------------------


def sample_lines(bone: Bone, difficulty: Difficulty, rng: np.random.Generator) -> list[Points]:
    """Return the axis of every fracture line, mm."""
    lines: list[Points] = []
    in_body = bool(bone.body.any()) and (not bone.sites or rng.uniform() < 0.68)
    if in_body:
        lines += body_lines(bone, rng)
    sites = list(rng.permutation(len(bone.sites))) if bone.sites else []
    wanted = 0 if in_body else 1
    wanted += int(rng.uniform() < difficulty.extra_line_probability) + int(
        rng.uniform() < difficulty.extra_line_probability * 0.5
    )
    for index in sites[:wanted]:
        lines.append(line_across_site(bone.sites[index], bone, rng))
    return lines


def body_lines(bone: Bone, rng: np.random.Generator) -> list[Points]:
    rows, columns = np.nonzero(bone.body)
    inverse = cv2.invertAffineTransform(bone.canvas.matrix)
    x, y = inverse[:, :2] @ (columns.mean(), rows.mean()) + inverse[:, 2]
    size = np.sqrt(bone.body.sum()) * bone.canvas.pixel_size_mm
    kind = rng.uniform()
    turn = rng.uniform(0, 2 * np.pi)
    if kind < 0.4:  # stellate, as in a burst
        centre = np.array([x, y]) + rng.normal(0, 0.12 * size, 2)
        count = int(rng.integers(3, 6))
        angles = turn + (np.arange(count) + rng.uniform(-0.3, 0.3, count)) * 2 * np.pi / count
        return [ray_to_outline(bone.body, bone.canvas, centre, angle, rng) for angle in angles]
    if kind < 0.8:  # from cortex to cortex, anywhere between split and corner fragment
        off = np.array([np.cos(turn + np.pi / 2), np.sin(turn + np.pi / 2)])
        centre = np.array([x, y]) + off * size * rng.uniform(0.0, 0.36)
        both = [ray_to_outline(bone.body, bone.canvas, centre, turn + k, rng) for k in (0, np.pi)]
        return [np.vstack([both[1][::-1], both[0][1:]])]
    centre = np.array([x, y]) + rng.normal(0, 0.15 * size, 2)  # incomplete, and forked
    fork = (turn, turn + rng.uniform(0.5, 1.3))
    return [ray_to_outline(bone.body, bone.canvas, centre, angle, rng) for angle in fork]


def ray_to_outline(
    part: Mask, canvas: Canvas, start: Points, angle: float, rng: np.random.Generator
) -> Points:
    """Return an irregular line from a point inside a part to beyond its outline."""
    direction = np.array([np.cos(angle), np.sin(angle)])
    steps = np.arange(0, 60, 0.4)
    at = np.round(canvas.to_pixels(start + direction * steps[:, None])).astype(int)
    at = np.clip(at, 0, (canvas.width - 1, canvas.height - 1))
    inside = np.nonzero(part[at[:, 1], at[:, 0]])[0]
    length = steps[inside[-1]] if len(inside) else 3.0
    return irregular_line(start, start + direction * (length + _LINE_OVERSHOOT_MM), rng)


def line_across_site(site: FractureSite, bone: Bone, rng: np.random.Generator) -> Points:
    """Return an irregular line that crosses a limb, more or less obliquely."""
    t = rng.uniform(0.25, 0.8) * (len(site.path) - 1)
    before = min(int(t), len(site.path) - 2)
    axis = site.path[before + 1] - site.path[before]
    centre = site.path[before] + (t - before) * axis
    angle = np.arctan2(axis[1], axis[0]) + np.pi / 2 + rng.uniform(-0.6, 0.6)
    direction = np.array([np.cos(angle), np.sin(angle)])
    reach = site.width * 0.75 + _LINE_OVERSHOOT_MM
    return irregular_line(centre - direction * reach, centre + direction * reach, rng)


def irregular_line(
    start: Points, end: Points, rng: np.random.Generator, rough: float = 0.16
) -> Points:
    """Return a line that wanders between two points: midpoint displacement, mm.

    `rough` is the standard deviation of a displacement as a share of the step's length.
    """
    points = np.array([start, end], np.float64)
    while np.hypot(*(points[1] - points[0])) > 0.9:
        step = np.diff(points, axis=0)
        across = step[:, ::-1] * (-1.0, 1.0)
        middle = points[:-1] + step / 2 + across * rng.normal(0, rough, (len(step), 1))
        merged = np.empty((2 * len(points) - 1, 2))
        merged[::2], merged[1::2] = points, middle
        points = merged
    return points


# --- fragments ---------------------------------------------------------------------------


def _displace_fragments(
    bone: Bone, distance: Field, lines: list[Points], d: Difficulty, rng: np.random.Generator
) -> None:
    """Shift and turn the pieces that the lines cut off, in place."""
    cut = (distance < 0.35).astype(np.uint8)
    _, pieces, stats, centres = cv2.connectedComponentsWithStats(bone.mask & (1 - cut))
    near = cv2.dilate(cut, np.ones((5, 5), np.uint8)) > 0
    touching = [i for i in np.unique(pieces[near]) if i > 0]
    area = stats[:, cv2.CC_STAT_AREA] * bone.canvas.pixel_size_mm**2
    touching.sort(key=lambda i: area[i])
    loose = [i for i in touching[:-1] if _FRAGMENT_AREA_MM2[0] < area[i] < _FRAGMENT_AREA_MM2[1]]
    axis = bone.canvas.to_pixels(np.vstack(lines))
    for i in loose[-_MAX_FRAGMENTS:]:
        outward = centres[i] - axis[np.argmin(np.hypot(*(axis - centres[i]).T))]
        outward /= max(float(np.hypot(*outward)), 1e-6)
        slide = outward[::-1] * (-1.0, 1.0) * rng.choice((-1, 1))
        mix = rng.uniform(0.2, 1.0)
        shift = (mix * outward + (1 - mix) * slide) / np.hypot(mix, 1 - mix)
        shift = shift * (rng.uniform(*d.displacement_mm) / bone.canvas.pixel_size_mm)
        _move_fragment(bone, pieces == i, centres[i], shift, rng.normal(0, 4.0))


def _move_fragment(bone: Bone, piece: Field, centre: Points, shift: Points, turn: float) -> None:
    """Move one piece by `shift` pixels and `turn` degrees, in place."""
    matrix = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), turn, 1.0)
    matrix[:, 2] = matrix[:, 2] + shift
    size = (bone.canvas.width, bone.canvas.height)
    weight = piece.astype(np.float32)
    moved = cv2.warpAffine(weight, matrix, size, flags=cv2.INTER_LINEAR)
    density = cv2.warpAffine(weight * bone.hu, matrix, size, flags=cv2.INTER_LINEAR)
    bone.mask[piece] = 0
    lands = moved > 0.5
    arrived = density[lands] / moved[lands]
    stays = bone.mask[lands] > 0
    bone.hu[lands] = np.where(stays, np.maximum(bone.hu[lands], arrived), arrived)
    bone.mask[lands] = 1


def _add_chips(bone: Bone, lines: list[Points], rng: np.random.Generator) -> None:
    """Add small loose pieces of cortex where a line leaves the bone, in place."""
    for line in lines[: int(rng.integers(1, 3))]:
        x, y = line[-1] + rng.normal(0, 0.7, 2)
        chip = irregular_ellipse(rng, x, y, rng.uniform(0.6, 1.5), rng.uniform(0.4, 0.9), 0.2)
        there = (bone.canvas.polygon_mask(chip) > 0) & (bone.mask == 0)
        bone.mask[there] = 1
        bone.hu[there] = rng.uniform(500, 1000)
