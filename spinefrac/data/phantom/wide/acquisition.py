"""How a patient of the wide variety is scanned: field, kernel, noise and artefacts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from spinefrac.data.phantom.canvas import Field
from spinefrac.data.phantom.plan import Difficulty
from spinefrac.data.phantom.scanner import Scanner

BodyPart = Literal["head", "neck", "trunk"]

_MOST_HU = 3071.0
#: Ranges of the field of view in mm: crop, spine, whole cross-section.
_FIELDS: dict[BodyPart, tuple[tuple[float, float], ...]] = {
    "head": ((130, 180), (180, 230), (230, 270)),
    "neck": ((66, 110), (110, 190), (190, 300)),
    "trunk": ((84, 130), (130, 240), (240, 480)),
}


@dataclass(frozen=True)
class Acquisition:
    """A scan; lengths in mm.

    Attributes
    ----------
    scanner : Scanner
    partial_volume : how far outlines move within the thickness of a slice.
    motion : distance of the double contour that a movement leaves, 0 for none; `motion_share`
        is how much of the picture the second contour is.
    ring_hu : amplitude of rings about the centre of rotation, 0 for none.
    streak_hu : amplitude of broad streaks from side to side, as from shoulders.
    """

    scanner: Scanner
    partial_volume: float
    motion: float
    motion_share: float
    ring_hu: float
    streak_hu: float

    @classmethod
    def sample(
        cls, rng: np.random.Generator, part: BodyPart, difficulty: Difficulty, size: int
    ) -> Acquisition:
        """Draw the scan of a part of the body, in slices of `size` pixels."""
        field = _sample_field(rng, part)
        pixel = field / size
        sharp = rng.uniform()
        psf = rng.uniform(0.22, 0.4) + 0.45 * (1 - sharp) * rng.uniform()
        noise = min(difficulty.noise_hu[1], float(np.exp(rng.uniform(np.log(4), np.log(90)))))
        scanner = Scanner(
            field_of_view=field,
            offset=_sample_offset(rng, part, field),
            rotation=float(rng.normal(0, 0.16)),
            psf_sigma=max(psf, 0.4 * pixel),
            noise_hu=noise,
            noise_sigma=rng.uniform(0.2, 0.45) + 0.5 * (1 - sharp) * rng.uniform(),
            edge_enhancement=1.3 * sharp * rng.uniform(),
            cupping_hu=rng.uniform(0, 45),
            streak_share=rng.uniform(0, 0.5) if rng.uniform() < 0.4 else 0.0,
            circular_field=bool(rng.uniform() < 0.3),
        )
        moved = rng.uniform() < 0.08
        return cls(
            scanner=scanner,
            partial_volume=rng.uniform(0, 1.1),
            motion=rng.uniform(1.0, 3.5) if moved else 0.0,
            motion_share=rng.uniform(0.2, 0.5),
            ring_hu=rng.uniform(4, 25) if rng.uniform() < 0.05 else 0.0,
            streak_hu=rng.uniform(10, 60) if rng.uniform() < 0.2 else 0.0,
        )

    def blur_thickness(self, image: Field, rng: np.random.Generator) -> Field:
        """Average a noiseless slice over its thickness and over a movement."""
        side = image.shape[0]
        pixel = self.scanner.field_of_view / side
        if self.partial_volume > 0.15:
            lattice = rng.normal(0, self.partial_volume / pixel / 2, (2, 9, 9)).astype(np.float32)
            dx, dy = (cv2.resize(part, (side, side)) for part in lattice)
            at = np.arange(side, dtype=np.float32)
            images = [
                cv2.remap(image, at[None] + k * dx, at[:, None] + k * dy, cv2.INTER_LINEAR,
                          borderMode=cv2.BORDER_REPLICATE)
                for k in (-1, 1)
            ]  # fmt: skip
            image = np.asarray(0.4 * image + 0.3 * (images[0] + images[1]), np.float32)
        if self.motion:
            turn = rng.uniform(0, 2 * np.pi)
            shift = self.motion / pixel * np.array([np.cos(turn), np.sin(turn)])
            matrix = np.column_stack([np.eye(2), shift])
            ghost = cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
            image = np.asarray(
                image * (1 - self.motion_share) + ghost * self.motion_share, np.float32
            )
        return image

    def add_artefacts(
        self, image: Field, metal: tuple[float, float] | None, rng: np.random.Generator
    ) -> Field:
        """Add streaks and rings; `metal` is the pixel (column, row) that streaks start from."""
        side = image.shape[0]
        if self.streak_hu:
            image = image + self.streak_hu * _broad_streaks(side, rng)
        if self.ring_hu:
            middle = (side / 2 + rng.normal(0, 20), side / 2 + rng.normal(0, 20))
            radius, _ = _polar(side, middle)
            rings = np.asarray(rng.standard_normal(side), np.float32)
            image = image + self.ring_hu * rings[np.minimum(radius, side - 1).astype(np.intp)]
        if metal is not None:
            image = image + rng.uniform(40, 350) * _metal_streaks(side, metal, rng)
        return np.asarray(np.minimum(image, _MOST_HU), np.float32)


def _sample_field(rng: np.random.Generator, part: BodyPart) -> float:
    """Draw a field of view: a crop of one vertebra, a spine, or the whole cross-section."""
    crop, spine, whole = _FIELDS[part]
    kind = rng.uniform()
    return float(rng.uniform(*(crop if kind < 0.25 else spine if kind < 0.75 else whole)))


def _sample_offset(rng: np.random.Generator, part: BodyPart, field: float) -> tuple[float, float]:
    """Draw where the middle of the slice lies: farther from the bone in larger fields."""
    spread = 0.035 * field
    down = {"head": 0.0, "neck": 8.0, "trunk": 10.0 - 0.16 * max(field - 150, 0)}[part]
    return float(rng.normal(0, spread)), float(down + rng.normal(0, spread))


def _polar(side: int, middle: tuple[float, float]) -> tuple[Field, Field]:
    """Return radius (pixels) and angle (degrees, 0 to 360) about a pixel."""
    x = np.arange(side, dtype=np.float32)[None] - np.float32(middle[0])
    y = np.arange(side, dtype=np.float32)[:, None] - np.float32(middle[1])
    radius, angle = cv2.cartToPolar(
        np.broadcast_to(x, (side, side)).copy(),
        np.broadcast_to(y, (side, side)).copy(),
        angleInDegrees=True,
    )
    return np.asarray(radius, np.float32), np.asarray(angle, np.float32)


def _broad_streaks(side: int, rng: np.random.Generator) -> Field:
    """Return streaks along the rows, of about unit variance."""
    rows = rng.standard_normal((max(side // 3, 4), 3), dtype=np.float32)
    slow = cv2.resize(rng.standard_normal((6, 1), dtype=np.float32), (1, side))
    streaks = cv2.resize(rows, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(streaks * np.clip(0.5 + slow, 0, 1.5), np.float32)


def _metal_streaks(side: int, metal: tuple[float, float], rng: np.random.Generator) -> Field:
    """Return bright and dark rays from a pixel that fade with the distance."""
    radius, angle = _polar(side, metal)
    rays = rng.standard_normal(720, dtype=np.float32)
    rays = np.convolve(np.tile(rays, 3), np.ones(5, np.float32) / 2.2, "same")[720:1440]
    fading = 1 / (1 + (radius / np.float32(0.09 * side)) ** 1.2)
    return np.asarray(rays[(2 * angle).astype(np.intp) % 720] * fading, np.float32)
