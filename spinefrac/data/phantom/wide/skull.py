"""The skull in an axial slice: vault or base, with sutures, air cells and sinuses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinefrac.data.phantom.anatomy import Anatomy, Bone, FractureSite, add_lucency
from spinefrac.data.phantom.canvas import (
    Canvas,
    Field,
    Mask,
    Points,
    catmull_rom,
    ellipse,
    irregular_ellipse,
    tapered_stroke,
)
from spinefrac.data.phantom.wide.density import fill_density

_EXTENT = (-90.0, -112.0, 90.0, 112.0)  # left, top, right, bottom, mm; front is at the top
_AIR, _BRAIN, _FLUID, _FAT, _SCALP = -960.0, 36.0, 12.0, -90.0, 30.0
_SUTURES = (0.62, 0.9, 1.45, 2.1)  # angles from the back, radians: lambdoid to coronal


@dataclass(frozen=True)
class _Vault:
    """Outlines of the vault's outer and inner table, mm."""

    outer: Points
    inner: Points

    @classmethod
    def sample(cls, shape: np.random.Generator) -> _Vault:
        outer = irregular_ellipse(shape, 0, 0, shape.uniform(62, 76), shape.uniform(80, 98), 0.02)
        thickness = shape.uniform(3, 8) * (1 + 0.25 * np.sin(
            np.linspace(0, 2 * np.pi, len(outer)) * shape.integers(1, 4) + shape.uniform(0, 6)
        ))  # fmt: skip
        inward = outer / np.hypot(*outer.T)[:, None]
        return cls(outer, outer - inward * thickness[:, None])


def build_skull(
    anatomy: Anatomy, height: float, rng: np.random.Generator, pixel_size_mm: float
) -> tuple[Bone, Field]:
    """Return the skull, and the head around it in HU on the same raster.

    Parameters
    ----------
    anatomy : Anatomy
        Its seed gives the shape, its densities the bone.
    height : float
        Below 0.65 the base, above the vault.
    rng : numpy.random.Generator
        Of the slice.
    pixel_size_mm : float
    """
    shape = np.random.Generator(np.random.SFC64(anatomy.shape_seed))
    canvas = Canvas.from_extent(*_EXTENT, pixel_size_mm)
    vault = _Vault.sample(shape)
    mask = canvas.polygon_mask(vault.outer)
    canvas.fill_polygon(mask, vault.inner, 0)
    middle = (vault.outer + vault.inner) / 2
    thickness = float(np.hypot(*(vault.outer - vault.inner).T).mean())
    sites = _ring_sites(middle, thickness)
    air = canvas.empty_mask()
    if height < 0.65:
        _add_base(canvas, mask, air, sites, height, shape)
        _add_face(canvas, mask, air, sites, shape)
    mask &= 1 - air
    hu = fill_density(mask, canvas, anatomy, min(1.3, 0.3 * thickness), rng)
    _add_sutures(hu, canvas, mask, vault, shape)
    bone = Bone(canvas, mask, hu, canvas.empty_mask(), sites)
    return bone, _paint_head(canvas, vault, air, height, shape)


def _ring_sites(middle: Points, thickness: float) -> list[FractureSite]:
    pieces = np.array_split(np.arange(len(middle)), 8)
    return [FractureSite(f"vault {i}", middle[p], thickness) for i, p in enumerate(pieces)]


def _add_base(
    canvas: Canvas,
    mask: Mask,
    air: Mask,
    sites: list[FractureSite],
    height: float,
    shape: np.random.Generator,
) -> None:
    """Petrous bones with mastoid cells, sphenoid wings, and clivus or condyles, in place."""
    apex = shape.uniform(-14, -4)
    for side in (-1, 1):
        if shape.uniform() < 0.15:  # a rolled head shows one side only
            continue
        outer = (side * shape.uniform(52, 62), apex + shape.uniform(22, 32))
        path = np.array([(side * shape.uniform(9, 14), apex), outer])
        width = shape.uniform(9, 16)
        canvas.fill_polygon(mask, tapered_stroke(path, [width * 0.6, width, width * 1.9]))
        sites.append(FractureSite(f"petrous {side}", path, width))
        _add_cells(canvas, air, outer, shape.uniform(5, 12), shape.uniform(0.8, 2.6), shape)
        wing = [(side * 12, apex - 12), (side * 34, apex - 26), (side * 60, apex - 28)]
        canvas.fill_polygon(mask, tapered_stroke(wing, [4, 2.4, 5]))
        sites.append(FractureSite(f"wing {side}", np.asarray(wing, float), 4.0))
    if height < 0.4:
        width = shape.uniform(18, 30)
        path = np.array([(-width / 2, apex + 2), (width / 2, apex + 2)])
        canvas.fill_polygon(mask, tapered_stroke(path, [9, 12, 9]))
        sites.append(FractureSite("clivus", path, 11.0))
    if height < 0.2:  # foramen magnum between the condyles
        for side in (-1, 1):
            path = np.array([(side * 10.0, apex + 8), (side * 16.0, apex + 22)])
            canvas.fill_polygon(mask, tapered_stroke(path, [9, 10]))
            sites.append(FractureSite(f"condyle {side}", path, 9.5))


def _add_face(
    canvas: Canvas,
    mask: Mask,
    air: Mask,
    sites: list[FractureSite],
    shape: np.random.Generator,
) -> None:
    """Orbits, sinuses and ethmoid cells at the front, in place."""
    top = shape.uniform(-88, -74)
    for side in (-1, 1):
        wall = [(side * 13, top), (side * 15, top + 26), (side * 48, top + 34)]
        canvas.fill_polygon(mask, tapered_stroke(wall, [1.2, 1.4, 4.0]))
        sites.append(FractureSite(f"orbit {side}", np.asarray(wall[1:], float), 3.0))
        if shape.uniform() < 0.5:
            sinus = irregular_ellipse(shape, side * 9, top + 42, shape.uniform(4, 9), 9, 0.2)
            _add_thin_wall(canvas, mask, air, sinus)
    for x in np.arange(-9, 10, shape.uniform(4, 7)):
        for y in np.arange(top - 2, top + 28, shape.uniform(5, 9)):
            cell = irregular_ellipse(shape, x, y, shape.uniform(2, 3.6), 3.2, 0.15)
            _add_thin_wall(canvas, mask, air, cell)


def _add_thin_wall(canvas: Canvas, mask: Mask, air: Mask, outline: Points) -> None:
    canvas.fill_polygon(mask, (outline - outline.mean(0)) * 1.18 + outline.mean(0))
    canvas.fill_polygon(air, outline)


def _add_cells(
    canvas: Canvas,
    air: Mask,
    centre: tuple[float, float],
    reach: float,
    radius: float,
    shape: np.random.Generator,
) -> None:
    """Air cells about a point, `reach` mm far and `radius` mm large, in place."""
    for _ in range(int(shape.integers(8, 40))):
        x, y = np.asarray(centre) + shape.normal(0, 0.6 * reach, 2)
        r = radius * shape.uniform(0.5, 1.2)
        canvas.fill_polygon(air, ellipse(x, y, r, r * shape.uniform(0.6, 1), shape.uniform(0, 3)))


def _add_sutures(
    hu: Field, canvas: Canvas, mask: Mask, vault: _Vault, shape: np.random.Generator
) -> None:
    """Sutures: alike on both sides, indented, with dense margins; in place."""
    where = mask.astype(np.float32)
    angle = np.arctan2(vault.outer[:, 0], vault.outer[:, 1])  # 0 at the back
    for position in shape.permutation(_SUTURES)[: shape.integers(0, 4)]:
        slant = shape.uniform(-6, 6)
        for side in (-1, 1):
            index = int(np.argmin(np.abs(angle - side * position)))
            outer, inner = vault.outer[index], vault.inner[index]
            along = np.array([-outer[1], outer[0]]) / np.hypot(*outer) * slant * side
            t = np.linspace(0, 1, 9)[:, None]
            zigzag = np.where(np.arange(9) % 2, 0.6, -0.6)[:, None]
            path = outer * 1.01 + t * (inner * 0.99 - outer * 1.01 + along)
            path = path + zigzag * along / max(abs(slant), 1.0)
            width = shape.uniform(0.5, 1.3)
            add_lucency(hu, canvas, [tapered_stroke(path, [width, width])], where, 60, 0.9)


def _paint_head(
    canvas: Canvas, vault: _Vault, air: Mask, height: float, shape: np.random.Generator
) -> Field:
    """Return scalp, brain, orbits and air in HU."""
    image = np.full((canvas.height, canvas.width), -1000, np.float32)
    scalp = shape.uniform(4, 11)
    grown = vault.outer * (1 + scalp / np.hypot(*vault.outer.T))[:, None]
    canvas.fill_polygon(image, grown, _SCALP)
    canvas.fill_polygon(image, (grown + vault.outer) / 2, _FAT)
    canvas.fill_polygon(image, vault.outer, _BRAIN)
    if height >= 0.65:
        for side in (-1, 1):
            horn = catmull_rom([(side * 3, -28), (side * 10, -18), (side * 6, 6), (side * 16, 26),
                                (side * 12, 30), (side * 3, 4)], 6)  # fmt: skip
            canvas.fill_polygon(image, horn, _FLUID)
    else:
        for side in (-1, 1):
            eye = ellipse(side * 31, -78, 12, 12.5)
            canvas.fill_polygon(image, irregular_ellipse(shape, side * 30, -70, 17, 22), _FAT)
            canvas.fill_polygon(image, eye, 18)
        canvas.fill_polygon(image, ellipse(0, 0, 20, 16), _FLUID + 15)
    image[air > 0] = _AIR
    return image
