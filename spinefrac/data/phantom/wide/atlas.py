"""The atlas with the dens inside its ring: the level of many fractures of the neck."""

from __future__ import annotations

import numpy as np

from spinefrac.data.phantom.anatomy import Anatomy, Bone, FractureSite
from spinefrac.data.phantom.canvas import Canvas, ellipse, irregular_ellipse, tapered_stroke
from spinefrac.data.phantom.wide.density import fill_density

_EXTENT = (-52.0, -34.0, 52.0, 52.0)  # left, top, right, bottom, mm; the dens is at the origin


def build_atlas(
    anatomy: Anatomy, height: float, rng: np.random.Generator, pixel_size_mm: float
) -> Bone:
    """Return atlas and dens on their own raster.

    Parameters
    ----------
    anatomy : Anatomy
        Its seed gives the shape, its densities the bone.
    height : float
        0 to 1; the arches are cut only about the middle, as the atlas lies oblique.
    rng : numpy.random.Generator
        Of the slice.
    pixel_size_mm : float
    """
    shape = np.random.Generator(np.random.SFC64(anatomy.shape_seed))
    canvas = Canvas.from_extent(*_EXTENT, pixel_size_mm)
    scale = shape.uniform(0.85, 1.12)
    mask, body = canvas.empty_mask(), canvas.empty_mask()
    sites: list[FractureSite] = []
    if shape.uniform(0, 0.5) < height:
        _add_arches(canvas, mask, sites, scale, shape, height)
    for side in (-1, 1):
        x = side * scale * (15.5 + shape.normal(0, 0.6))
        centre = (x, scale * (1.5 + shape.normal(0, 0.8)))
        mass = irregular_ellipse(
            shape, *centre, scale * shape.uniform(5.5, 8), scale * shape.uniform(7.5, 10), 0.07
        )
        canvas.fill_polygon(mask, mass)
        tip = (side * scale * shape.uniform(30, 38), scale * shape.uniform(2, 6))
        path = np.array([centre, tip])
        canvas.fill_polygon(mask, tapered_stroke(path, [9 * scale, 5.5 * scale]))
        sites.append(FractureSite(f"lateral mass {side}", path[::-1], 9 * scale))
        hole = ellipse(side * scale * 25, centre[1], 3.0 * scale, 2.8 * scale)
        canvas.fill_polygon(mask, hole, 0)
    dens = irregular_ellipse(shape, shape.normal(0, 0.5), 0, 5.3 * scale, 5.8 * scale, 0.05)
    canvas.fill_polygon(body, dens)
    mask |= body
    hu = fill_density(mask, canvas, anatomy, anatomy.cortex_thickness * 1.2, rng)
    return Bone(canvas, mask, hu, body, sites)


def _add_arches(
    canvas: Canvas,
    mask: np.ndarray,
    sites: list[FractureSite],
    scale: float,
    shape: np.random.Generator,
    height: float,
) -> None:
    """Add the anterior arch and both halves of the posterior one, in place."""
    gap = shape.uniform(0.9, 3.0)  # mm between dens and anterior arch
    front = -5.8 * scale - gap - 3.0
    path = np.array([(-14 * scale, front + 5), (0, front), (14 * scale, front + 5)])
    canvas.fill_polygon(mask, tapered_stroke(path, [4.5, 6.5 * scale, 4.5]))
    sites.append(FractureSite("arch anterior", path, 5.5))
    back = scale * shape.uniform(30, 38)
    reach = shape.uniform(0.4, 1.0) if height < 0.6 else 1.0  # how far the slice follows the arch
    open_behind = 1.5 if shape.uniform() < 0.06 else 0.0  # mm; a cleft that never closed
    for side in (-1, 1):
        points = np.array(
            [(16, 8), (19, 17), (15, 0.78 * back / scale), (0, back / scale)]
        ) * (side * scale, scale)  # fmt: skip
        points[-1, 0] = side * open_behind
        path = points[: 2 + round(2 * reach)]
        width = scale * shape.uniform(4.0, 6.0)
        canvas.fill_polygon(mask, tapered_stroke(path, [width * 1.3, width, width * 1.2]))
        sites.append(FractureSite(f"arch posterior {side}", path, width))
