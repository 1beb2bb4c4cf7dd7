"""What else lies in the field of view: vessel walls, teeth, ribs, tubes, cables and cloth."""

from __future__ import annotations

import numpy as np

from spinefrac.data.phantom.anatomy import Anatomy, Region
from spinefrac.data.phantom.canvas import (
    Canvas,
    Field,
    Points,
    ellipse,
    irregular_ellipse,
    tapered_stroke,
)

_CALCIUM_HU = (250.0, 1100.0)
_TISSUE_HU = -300.0  # denser is soft tissue, which is mottled


def add_surroundings(
    image: Field, canvas: Canvas, anatomy: Anatomy, rng: np.random.Generator
) -> None:
    """Add some of all kinds to painted soft tissue (HU), in place."""
    _add_mottling(image, canvas, rng)
    depth = anatomy.body_depth / 2
    if anatomy.region is Region.CERVICAL:
        if rng.uniform() < 0.35:
            _add_jaw(image, canvas, depth, rng)
        for side in (-1, 1):
            if rng.uniform() < 0.3:
                place = (side * rng.uniform(16, 30), -depth - rng.uniform(0, 14))
                _add_calcified_wall(image, canvas, place, rng.uniform(2.2, 4.5), rng)
        if rng.uniform() < 0.2:
            _add_tube(image, canvas, -depth - rng.uniform(12, 22), rng)
    else:
        if rng.uniform() < 0.5:
            place = (rng.uniform(-4, 16), -depth - rng.uniform(9, 20))
            _add_calcified_wall(image, canvas, place, rng.uniform(7, 19), rng)
        if rng.uniform() < 0.45:
            _add_ribs(image, canvas, rng)
    if rng.uniform() < 0.3:
        _add_cables(image, canvas, depth, rng)
    if rng.uniform() < 0.4:
        _add_cloth(image, canvas, rng)


def _add_mottling(image: Field, canvas: Canvas, rng: np.random.Generator) -> None:
    """Soft tissue is never one value: it changes over some millimetres and over centimetres."""
    scale = float(rng.uniform(2, 8))
    mottled = np.float32(rng.uniform(0, 14)) * canvas.smooth_noise(rng, scale)
    mottled += np.float32(rng.uniform(0, 12)) * canvas.smooth_noise(rng, 25.0)
    image += mottled * (image > _TISSUE_HU)


def _add_calcified_wall(
    image: Field,
    canvas: Canvas,
    place: tuple[float, float],
    radius: float,
    rng: np.random.Generator,
) -> None:
    """A vessel with arcs of calcium in its wall."""
    x, y = place
    wall = irregular_ellipse(rng, x, y, radius, radius * rng.uniform(0.85, 1.1), 0.03)
    canvas.fill_polygon(image, wall, rng.uniform(35, 60))
    for _ in range(int(rng.integers(1, 6))):
        start, length = int(rng.integers(len(wall))), int(rng.integers(2, 14))
        arc = np.roll(wall, -start, 0)[:length]
        width = rng.uniform(0.4, 2.4)
        stroke = tapered_stroke(arc, [0.4 * width, width, 0.4 * width])
        canvas.fill_polygon(image, stroke, rng.uniform(*_CALCIUM_HU))


def _add_jaw(image: Field, canvas: Canvas, depth: float, rng: np.random.Generator) -> None:
    """The mandible's arch, with teeth and fillings or without."""
    back, reach, half = -depth - rng.uniform(-4, 14), rng.uniform(42, 58), rng.uniform(30, 42)
    t = np.linspace(0.02, np.pi - 0.02, 40)
    arch = np.stack([half * np.cos(t), back - reach * np.sin(t) ** 0.8], 1)
    width = rng.uniform(7, 11)
    canvas.fill_polygon(image, tapered_stroke(arch, [width] * 3, 40), 1100)
    canvas.fill_polygon(image, tapered_stroke(arch, [width - 4] * 3, 40), 350)
    if rng.uniform() < 0.6:
        for x, y in arch[4:-4:3]:
            if rng.uniform() < 0.2:
                continue
            tooth = irregular_ellipse(rng, x, y, rng.uniform(2.4, 4), rng.uniform(2.4, 4), 0.1)
            filled = rng.uniform() < 0.1
            canvas.fill_polygon(image, tooth, 3800 if filled else rng.uniform(1400, 2200))
            core = ellipse(x, y, 0.7, 0.7, n=8)
            canvas.fill_polygon(image, core, 200)


def _add_tube(image: Field, canvas: Canvas, y: float, rng: np.random.Generator) -> None:
    """A tube in the airway or the gullet."""
    x, radius = rng.normal(0, 3), rng.uniform(2, 5.5)
    canvas.fill_polygon(image, ellipse(x, y, radius, radius), rng.uniform(80, 400))
    canvas.fill_polygon(image, ellipse(x, y, radius * 0.72, radius * 0.72), -990)


def _add_ribs(image: Field, canvas: Canvas, rng: np.random.Generator) -> None:
    """Ribs that the slice cuts along the wall of the trunk."""
    width, height = rng.uniform(100, 150), rng.uniform(70, 100)
    middle = -height + rng.uniform(20, 45)
    for angle in np.linspace(-0.2, 1.25, int(rng.integers(3, 7))):
        angle += rng.normal(0, 0.08)
        for side in (-1, 1):
            x, y = side * width * np.cos(angle), middle + height * np.sin(angle)
            turn = side * (angle - np.pi / 2) + rng.normal(0, 0.15)
            long, short = rng.uniform(6, 20), rng.uniform(3, 5)
            canvas.fill_polygon(image, ellipse(x, y, long, short, turn), rng.uniform(700, 1200))
            inner = ellipse(x, y, long - 1.3, short - 1.3, turn)
            canvas.fill_polygon(image, inner, rng.uniform(100, 300))


def _add_cables(image: Field, canvas: Canvas, depth: float, rng: np.random.Generator) -> None:
    """Bright dots and lines of cables, lines and markers on the skin."""
    for _ in range(int(rng.integers(1, 5))):
        turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(2.5, 6) * depth
        x, y = far * np.cos(turn), far * np.sin(turn)
        radius = rng.uniform(0.6, 1.8)
        canvas.fill_polygon(image, ellipse(x, y, radius, radius, n=12), rng.uniform(300, 3000))


def _add_cloth(image: Field, canvas: Canvas, rng: np.random.Generator) -> None:
    """Folds of cloth and cushions behind the patient, in air only."""
    layer = np.full_like(image, -1000)
    top = rng.uniform(45, 120)
    for _ in range(int(rng.integers(2, 7))):
        k = np.linspace(-1, 1, 14)
        y = top + rng.uniform(0, 40) + np.cumsum(rng.normal(0, rng.uniform(0.5, 4), 14))
        path: Points = np.stack([rng.normal(0, 50) + rng.uniform(20, 90) * k, y], 1)
        stroke = tapered_stroke(path, [rng.uniform(0.5, 2.5)] * 2)
        canvas.fill_polygon(layer, stroke, rng.uniform(-900, -300))
    np.maximum(image, layer, out=image)
