"""A vertebra cut by an oblique, thick slice, with a shape of its own."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from spinefrac.data.phantom.anatomy import Anatomy, Bone, FractureSite, build_bone
from spinefrac.data.phantom.canvas import Canvas, Field

_SOFT_HU = 50.0  # what lies beside the bone within a thick slice


def build_tilted_bone(
    anatomy: Anatomy,
    height: float,
    tilt: float,
    direction: float,
    rng: np.random.Generator,
    distractors: int,
    pixel_size_mm: float,
) -> Bone:
    """Return the bone of a slice that lies oblique to the vertebra.

    Parameters
    ----------
    anatomy : Anatomy
    height : float
        Of the slice's middle within the vertebra, 0 to 1.
    tilt, direction : float
        Difference in height between the two sides, and the direction (radians) of the fall.
    rng : numpy.random.Generator
    distractors : int
        Vessel channels and similar lucencies.
    pixel_size_mm : float
    """
    halves = [
        build_bone(
            replace(anatomy, first_height=(height + sign * tilt / 2) % 1.0, height_step=0.0),
            0, rng, distractors, pixel_size_mm,
        )
        for sign in ((1,) if tilt < 0.02 else (1, -1))
    ]  # fmt: skip
    if len(halves) == 1:
        return halves[0]
    return _join(halves[0], halves[1], direction, rng)


def _join(one: Bone, other: Bone, direction: float, rng: np.random.Generator) -> Bone:
    """Pass over from one bone to another: where both meet, each fills a share of the slice."""
    canvas = one.canvas
    width = rng.uniform(6, 30)  # mm from one to the other
    weight = _ramp(canvas, direction, rng.uniform(-6, 10), width)
    first, second = weight * one.mask, (1 - weight) * other.mask
    share = first + second
    mask = (share > 0.08).astype(np.uint8)
    hu = first * one.hu + second * other.hu + (1 - share) * np.float32(_SOFT_HU)
    body = np.asarray(np.where(weight > 0.5, one.body, other.body) & mask, np.uint8)
    sites = [s for s in one.sites if _at(weight, canvas, s) > 0.5]
    sites += [s for s in other.sites if _at(weight, canvas, s) <= 0.5]
    return Bone(canvas, mask, np.asarray(hu, np.float32), body, sites)


def _ramp(canvas: Canvas, direction: float, centre_mm: float, width_mm: float) -> Field:
    """Return a field that rises from 0 to 1 over `width_mm` along a direction."""
    inverse = cv2.invertAffineTransform(canvas.matrix)
    x = (inverse[0, 0] * np.arange(canvas.width) + inverse[0, 2]).astype(np.float32)
    y = (inverse[1, 1] * np.arange(canvas.height) + inverse[1, 2]).astype(np.float32)
    along = (
        np.float32(np.cos(direction)) * x
        + np.float32(np.sin(direction)) * (y - np.float32(centre_mm))[:, None]
    )
    return np.asarray(np.clip(along / np.float32(width_mm) + np.float32(0.5), 0, 1))


def _at(field: Field, canvas: Canvas, site: FractureSite) -> float:
    column, row = np.round(canvas.to_pixels(site.path.mean(0)[None]))[0].astype(int)
    return float(field[np.clip(row, 0, canvas.height - 1), np.clip(column, 0, canvas.width - 1)])


def deform(bone: Bone, amplitude_mm: float, rng: np.random.Generator) -> Bone:
    """Return a bone that is bent smoothly by up to some millimetres, the sites with it."""
    canvas = bone.canvas
    rows, columns = max(4, round(canvas.height * canvas.pixel_size_mm / 22)), 5
    lattice = rng.normal(0, amplitude_mm / canvas.pixel_size_mm, (2, rows, columns))
    size = (canvas.width, canvas.height)
    shift = [
        cv2.resize(part.astype(np.float32), size, interpolation=cv2.INTER_CUBIC) for part in lattice
    ]
    x = np.arange(canvas.width, dtype=np.float32)[None] + shift[0]
    y = np.arange(canvas.height, dtype=np.float32)[:, None] + shift[1]
    mask = cv2.remap(bone.mask, x, y, cv2.INTER_NEAREST)
    body = cv2.remap(bone.body, x, y, cv2.INTER_NEAREST)
    hu = cv2.remap(bone.hu, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    sites = [_move_site(site, shift, canvas) for site in bone.sites]
    return Bone(
        canvas,
        np.asarray(mask, np.uint8),
        np.asarray(hu, np.float32),
        np.asarray(body, np.uint8),
        sites,
    )


def _move_site(site: FractureSite, shift: list[cv2.typing.MatLike], canvas: Canvas) -> FractureSite:
    at = np.round(canvas.to_pixels(site.path)).astype(int)
    at = np.clip(at, 0, (canvas.width - 1, canvas.height - 1))
    moved = np.stack([part[at[:, 1], at[:, 0]] for part in shift], 1) * canvas.pixel_size_mm
    return replace(site, path=site.path - moved)
