"""What resembles a fracture and is none: channels, growth plates, old defects, gas, ossicles.

They have smooth edges with dense margins, where a fracture is ragged; they occur with and
without fractures alike. All change a bone in place.
"""

from __future__ import annotations

import numpy as np

from spinefrac.data.phantom.anatomy import Bone, FractureSite, add_lucency
from spinefrac.data.phantom.canvas import (
    Field,
    Mask,
    Points,
    irregular_ellipse,
    tapered_stroke,
)

_GAS_HU = -850.0


def add_confounders(bone: Bone, growing: bool, rng: np.random.Generator) -> None:
    """Add some of all kinds."""
    present = bone.mask.astype(np.float32)
    for _ in range(int(rng.poisson(1.2))):
        _add_channel(bone, present, rng)
    if growing:
        _add_growth_plates(bone, present, rng)
    if bone.sites and rng.uniform() < 0.12:
        _add_old_defect(bone, present, rng)
    if rng.uniform() < 0.12:
        _add_gas(bone, rng)
    for _ in range(int(rng.poisson(0.35))):
        _add_ossicle(bone, rng)


def _random_place(mask: Mask, bone: Bone, rng: np.random.Generator) -> Points | None:
    """Return a point of a mask, mm; None where it is empty."""
    rows, columns = np.nonzero(mask[::4, ::4])
    if not len(rows):
        return None
    at = int(rng.integers(len(rows)))
    pixel = np.array([4.0 * columns[at], 4.0 * rows[at]])
    return np.asarray((pixel - bone.canvas.matrix[:, 2]) * bone.canvas.pixel_size_mm)


def _add_channel(bone: Bone, present: Field, rng: np.random.Generator) -> None:
    """A vessel's channel: bent evenly, with walls; some run through the cortex."""
    place = _random_place(bone.mask, bone, rng)
    if place is None:
        return
    length, width = rng.uniform(4, 16), rng.uniform(0.5, 1.8)
    turn, bend = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.35)
    along = np.array([np.cos(turn), np.sin(turn)])
    across = along[::-1] * (-1.0, 1.0)
    t = np.linspace(0, 1, 8)[:, None]
    path = place + along * length * (t - 0.5) + across * length * bend * t * (1 - t)
    stroke = tapered_stroke(path, [width, width * rng.uniform(0.3, 1)])
    add_lucency(bone.hu, bone.canvas, [stroke], present, rng.uniform(20, 90), rng.uniform(0.5, 1))


def _add_growth_plates(bone: Bone, present: Field, rng: np.random.Generator) -> None:
    """Open growth plates: the same on both sides, between body and arch, or in the midline."""
    width = rng.uniform(0.7, 2.2)
    pairs = [s for s in bone.sites if s.name.startswith(("pedicle", "lateral mass"))]
    if rng.uniform() < 0.35 or not pairs:
        pairs = [s for s in bone.sites if s.name.startswith(("spinous", "arch anterior"))][:1]
    depth = rng.uniform(0.6, 1.0)
    for site in pairs:
        stroke = _stroke_across(site, 0.3, width, rng)
        add_lucency(bone.hu, bone.canvas, [stroke], present, 60, depth)


def _add_old_defect(bone: Bone, present: Field, rng: np.random.Generator) -> None:
    """A pars defect or a bone that never fused: wide, smooth, its margins dense."""
    site = bone.sites[rng.integers(len(bone.sites))]
    stroke = _stroke_across(site, rng.uniform(0.3, 0.7), rng.uniform(1.5, 3.5), rng)
    for _ in range(2):  # twice as dense a margin
        add_lucency(bone.hu, bone.canvas, [stroke], present, 60, 0.95)


def _stroke_across(
    site: FractureSite, position: float, width: float, rng: np.random.Generator
) -> Points:
    """Return an evenly wide, slightly bent stroke across a limb."""
    index = min(int(position * (len(site.path) - 1)), len(site.path) - 2)
    axis = site.path[index + 1] - site.path[index]
    centre = site.path[index] + (position * (len(site.path) - 1) - index) * axis
    across = axis[::-1] * (-1.0, 1.0) / max(float(np.hypot(*axis)), 1e-6)
    reach = 0.9 * site.width + 1.0
    middle = centre + axis / max(float(np.hypot(*axis)), 1e-6) * rng.normal(0, 0.8)
    return tapered_stroke([centre - across * reach, middle, centre + across * reach], [width] * 3)


def _add_gas(bone: Bone, rng: np.random.Generator) -> None:
    """Gas in a disc or a joint: a thin crescent."""
    place = _random_place(1 - bone.mask, bone, rng) if rng.uniform() < 0.5 else rng.normal(0, 5, 2)
    if place is None:
        return
    turn, length = rng.uniform(0, np.pi), rng.uniform(2, 9)
    along = np.array([np.cos(turn), np.sin(turn)]) * length
    bend = np.array([-along[1], along[0]]) * rng.normal(0, 0.2)
    width = rng.uniform(0.5, 1.8)
    stroke = tapered_stroke([place - along, place + bend, place + along], [width / 2, width, 0.3])
    gas = (bone.canvas.polygon_mask(stroke) > 0) & (bone.mask == 0)
    bone.hu[gas] = _GAS_HU * rng.uniform(0.5, 1)
    bone.mask[gas] = 1


def _add_ossicle(bone: Bone, rng: np.random.Generator) -> None:
    """A small round bone with a shell of its own, beside the others."""
    place = _random_place(bone.mask, bone, rng)
    if place is None:
        return
    x, y = place + rng.normal(0, 5, 2)
    radius = rng.uniform(0.8, 2.6)
    outline = irregular_ellipse(rng, x, y, radius, radius * rng.uniform(0.6, 1), 0.05)
    part, region = bone.canvas.crop_around([outline], 2.0)
    if part.height == 0 or part.width == 0:
        return
    free = (part.polygon_mask(outline) > 0) & (bone.mask[region] == 0)
    bone.hu[region][free] = rng.uniform(500, 1100)
    inner = part.polygon_mask((outline - (x, y)) * 0.5 + (x, y)) > 0
    bone.hu[region][free & inner] = rng.uniform(200, 500)
    bone.mask[region][free] = 1
