"""Screws in the pedicles. The streaks that they cause are the scan's: see `acquisition`."""

from __future__ import annotations

import numpy as np

from spinefrac.data.phantom.anatomy import Bone
from spinefrac.data.phantom.canvas import Canvas, Mask, catmull_rom, tapered_stroke

_METAL_HU = 5000.0


def sample_screws(canvas: Canvas, rng: np.random.Generator) -> Mask:
    """Return where one or two pedicle screws and their heads are, 0/1."""
    metal = canvas.empty_mask()
    width = rng.uniform(3.5, 6.0)
    sides = ((-1, 1), (-1,), (1,))[rng.choice(3, p=(0.7, 0.15, 0.15))]
    for side in sides:
        tip = np.array([side * rng.uniform(3, 9), rng.uniform(-9, 0)])
        head = np.array([side * rng.uniform(15, 25), rng.uniform(32, 42)])
        canvas.fill_polygon(metal, tapered_stroke([tip, head], [width * 0.6, width]))
        knob = catmull_rom(head + np.array([(-5, -4), (5, -4), (6, 5), (-6, 5)]), 5)
        canvas.fill_polygon(metal, knob)
    return metal


def add_metal(bone: Bone, metal: Mask) -> None:
    """Put metal in the place of whatever bone is there, in place."""
    bone.hu[metal > 0] = _METAL_HU
    bone.mask[metal > 0] = 1
