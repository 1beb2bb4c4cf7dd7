"""Cancellous bone as scanners show it: dots, strands, islands and holes of the normal body."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from spinefrac.data.phantom.anatomy import Bone, add_lucency
from spinefrac.data.phantom.canvas import Canvas, Field, irregular_ellipse


@dataclass(frozen=True)
class BoneTexture:
    """A patient's cancellous bone. Densities in HU, lengths in mm.

    Attributes
    ----------
    dots : density of trabeculae that the slice cuts across; `dot_mm` is their distance.
    strands : density of trabeculae within the slice; `strand_direction` in radians.
    mottling : slow changes of the density.
    islands, holes : mean number of round dense or lucent places in a slice.
    """

    dots: float
    dot_mm: float
    strands: float
    strand_direction: float
    mottling: float
    islands: float
    holes: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> BoneTexture:
        """Draw a patient's texture."""
        return cls(
            dots=rng.uniform(0, 220) if rng.uniform() < 0.7 else 0.0,
            dot_mm=rng.uniform(0.5, 1.8),
            strands=rng.uniform(15, 90) if rng.uniform() < 0.35 else 0.0,
            strand_direction=rng.uniform(0, np.pi),
            mottling=rng.uniform(0, 90),
            islands=0.4 if rng.uniform() < 0.5 else 0.0,
            holes=rng.uniform(0, 2) if rng.uniform() < 0.3 else 0.0,
        )


def add_texture(bone: Bone, texture: BoneTexture, rng: np.random.Generator) -> None:
    """Add texture to the inside of a bone, in place."""
    depth = cv2.distanceTransform(bone.mask, cv2.DIST_L2, 3) * np.float32(bone.canvas.pixel_size_mm)
    inside = np.asarray(np.clip((depth - 0.7) / 0.8, 0, 1), np.float32)
    pattern = np.float32(texture.mottling) * bone.canvas.smooth_noise(rng, rng.uniform(5, 14))
    if texture.dots:
        grains = bone.canvas.smooth_noise(rng, texture.dot_mm)
        pattern += np.float32(texture.dots) * (np.maximum(grains - np.float32(0.4), 0) - 0.23)
    if texture.strands:
        turn = texture.strand_direction + rng.normal(0, 0.15)
        pattern += np.float32(texture.strands) * _strands(bone.canvas, turn, rng)
    bone.hu += inside * pattern
    _add_islands(bone, inside, texture, rng)


def _strands(canvas: Canvas, turn: float, rng: np.random.Generator) -> Field:
    """Return elongated noise of about unit variance, its grains 1 mm by 5 mm."""
    side = canvas.pixel_size_mm * float(np.hypot(canvas.height, canvas.width))
    lattice = rng.standard_normal((round(side / 1.0), round(side / 5.0)), dtype=np.float32)
    c, s = np.cos(turn), np.sin(turn)
    step = canvas.pixel_size_mm
    # From pixels of the raster to nodes of the lattice, turned about both middles.
    linear = np.array([[c / 5.0, s / 5.0], [-s, c]]) * step
    middle = np.array([canvas.width, canvas.height]) / 2
    shift = np.array(lattice.shape[::-1]) / 2 - linear @ middle
    matrix = np.column_stack([linear, shift])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (canvas.width, canvas.height)
    turned = cv2.warpAffine(lattice, matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(turned * np.float32(1.5), np.float32)


def _add_islands(bone: Bone, inside: Field, texture: BoneTexture, rng: np.random.Generator) -> None:
    rows, columns = np.nonzero(inside[::16, ::16] > 0.9)
    if not len(rows):
        return
    inverse = cv2.invertAffineTransform(bone.canvas.matrix)
    for mean, dense in ((texture.islands, True), (texture.holes, False)):
        for _ in range(int(rng.poisson(mean))):
            at = int(rng.integers(len(rows)))
            x, y = inverse[:, :2] @ (16 * columns[at], 16 * rows[at]) + inverse[:, 2]
            radius = rng.uniform(0.8, 4.0)
            spot = irregular_ellipse(rng, x, y, radius, radius * rng.uniform(0.5, 1.0), 0.15)
            if dense:
                _brighten(bone, spot, rng.uniform(200, 800), rng.uniform(0.3, 0.8))
            else:
                add_lucency(bone.hu, bone.canvas, [spot], inside, rng.uniform(-20, 90), 0.9)


def _brighten(bone: Bone, spot: np.ndarray, hu: float, blur_mm: float) -> None:
    part, region = bone.canvas.crop_around([spot], 3.0)
    if part.height and part.width:
        soft = part.blur(part.polygon_mask(spot).astype(np.float32), blur_mm)
        bone.hu[region] += np.float32(hu) * soft * (bone.mask[region] > 0)
