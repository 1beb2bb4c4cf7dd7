"""From ideal tissue to a reconstructed slice: field of view, blur, cupping, kernel, noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.data.phantom.anatomy import Bone, Region
from spinefrac.data.phantom.canvas import Canvas, Field, Mask
from spinefrac.data.phantom.plan import Difficulty
from spinefrac.imaging.hounsfield import AIR_HU, MAX_HU

_TISSUE_RASTER_SIDE = 1024  # pixels of the raster that soft tissue is painted on


@dataclass(frozen=True)
class Scanner:
    """How a patient was scanned; holds over the slices. Lengths in mm.

    Attributes
    ----------
    field_of_view : side of the square slice.
    offset : (x, y) of the slice's centre in the vertebra's frame.
    rotation : rotation of the patient, radians.
    psf_sigma : standard deviation of the point spread function.
    noise_hu : standard deviation of the noise in muscle.
    noise_sigma : standard deviation of the Gaussian that correlates the noise.
    edge_enhancement : overshoot of the kernel along edges; 0 is a soft kernel, 0.8 a sharp one.
    cupping_hu : darkening in the middle of dense parts by beam hardening.
    streak_share : share of the noise that lies in horizontal streaks, as from shoulders.
    circular_field : whether everything outside the inscribed circle is empty.
    """

    field_of_view: float
    offset: tuple[float, float]
    rotation: float
    psf_sigma: float
    noise_hu: float
    noise_sigma: float
    edge_enhancement: float
    cupping_hu: float
    streak_share: float
    circular_field: bool

    @classmethod
    def sample(cls, rng: np.random.Generator, region: Region, difficulty: Difficulty) -> Scanner:
        """Draw a patient's scan."""
        neck = region is Region.CERVICAL
        sharp = rng.uniform()
        low, high = difficulty.noise_hu
        return cls(
            field_of_view=rng.uniform(150, 195) if neck else rng.uniform(160, 220),
            offset=(rng.normal(0, 6), (6 if neck else 2) + rng.normal(0, 8)),
            rotation=math.radians(rng.normal(0, 5)),
            psf_sigma=rng.uniform(*difficulty.psf_mm) - 0.04 * sharp,
            noise_hu=low + (high - low) * float(np.clip(rng.beta(1.6, 2) + 0.2 * sharp, 0, 1)),
            noise_sigma=0.62 - 0.34 * sharp,
            edge_enhancement=0.8 * sharp * rng.uniform(0.5, 1),
            cupping_hu=rng.uniform(5, 30),
            streak_share=rng.uniform(0.0, 0.35) if neck else rng.uniform(0.0, 0.15),
            circular_field=bool(rng.uniform() < 0.3),
        )

    def canvas(self, side: int) -> Canvas:
        """Return the raster of the slice, `side` pixels over the field of view."""
        scale = side / self.field_of_view
        c, s = scale * math.cos(self.rotation), scale * math.sin(self.rotation)
        linear = np.array([[c, -s], [s, c]])
        shift = (side - 1) / 2 - linear @ np.array(self.offset)
        return Canvas(np.column_stack([linear, shift]), side, side)

    @property
    def tissue_canvas(self) -> Canvas:
        """The raster that soft tissue is painted on."""
        return self.canvas(_TISSUE_RASTER_SIDE)

    def reconstruct(self, tissue: Field, bone: Bone, size: int) -> Field:
        """Return the slice without noise, HU, shape (size, size).

        Parameters
        ----------
        tissue : float32 array
            HU on `scene`.
        bone : Bone
            On its own raster; lies over the tissue.
        size : int
        """
        raster = self.canvas(size)
        sampling = math.hypot(
            self.psf_sigma, 0.25 * raster.pixel_size_mm
        )  # keeps coarse slices free of aliasing
        resized = cv2.resize(tissue, (size, size), interpolation=cv2.INTER_AREA)
        around = raster.blur(np.asarray(resized, np.float32), self.psf_sigma)
        present = bone.mask.astype(np.float32)
        share = _warp(bone.canvas.blur(present, sampling), bone.canvas, raster)
        dense = _warp(bone.canvas.blur(present * bone.hu, sampling), bone.canvas, raster)
        image = around * (1 - share) + dense
        image = image + self.edge_enhancement * (image - raster.blur(image, 2.2 * self.psf_sigma))
        return np.asarray(image - self.cupping_hu * self._beam_hardening(share, raster), np.float32)

    def project_mask(self, mask: Mask, canvas: Canvas, size: int) -> Mask:
        """Return a mask of the bone's raster on the slice's raster, 0/1, shape (size, size)."""
        raster = self.canvas(size)
        share = canvas.blur(mask.astype(np.float32), 0.35 * raster.pixel_size_mm)
        share = _warp(share, canvas, raster)
        # A line thinner than a pixel never fills one: then the fullest pixels are the mask.
        return (share > min(0.4, 0.9 * float(share.max()))).astype(np.uint8)

    def add_noise(self, image: Field, rng: np.random.Generator) -> Field:
        """Return a noiseless slice with noise, cut to the field and the scanner's range."""
        raster = self.canvas(image.shape[0])
        noisy = image + self._noise(rng, raster)
        if self.circular_field:
            side = image.shape[0]
            middle = (side - 1) / 2
            y, x = np.ogrid[:side, :side]
            noisy[(x - middle) ** 2 + (y - middle) ** 2 > (side / 2) ** 2] = AIR_HU
        return np.asarray(np.clip(noisy, AIR_HU, MAX_HU), np.float32)

    def _beam_hardening(self, share: Field, raster: Canvas) -> Field:
        small = cv2.resize(share, (64, 64), interpolation=cv2.INTER_AREA)
        wide = cv2.GaussianBlur(small, (0, 0), 64 * 9 / self.field_of_view)
        size = (raster.width, raster.height)
        spread = cv2.resize(wide, size, interpolation=cv2.INTER_LINEAR)
        return np.asarray(spread / max(float(wide.max()), 1e-6), np.float32)

    def _noise(self, rng: np.random.Generator, raster: Canvas) -> Field:
        """Band-passed noise: CT noise has little power at the lowest frequencies.

        Drawn on the slice's own pixels; the band is given in mm.
        """
        white = rng.standard_normal((raster.height, raster.width), dtype=np.float32)
        fine = raster.blur(white, self.noise_sigma)
        noise = np.asarray(fine - 0.8 * raster.blur(fine, 2.4 * self.noise_sigma), np.float32)
        lattice = rng.standard_normal((raster.height, raster.width // 32), dtype=np.float32)
        size = (raster.width, raster.height)
        streak = cv2.resize(lattice, size, interpolation=cv2.INTER_CUBIC)
        grainy, streaky = (
            (1 - self.streak_share) / _standard_deviation(noise),
            self.streak_share / _standard_deviation(streak),
        )
        mixed = grainy * noise + streaky * np.asarray(streak, np.float32)
        square = np.linspace(-1, 1, raster.height, dtype=np.float32) ** 2
        deep = np.float32(1.15) - np.float32(0.3) * (square + square[:, None])  # noisier inside
        return np.asarray(mixed * (self.noise_hu * deep), np.float32)


def _standard_deviation(image: npt.NDArray[Any]) -> float:
    return max(float(image.std()), 1e-6)


def _warp(image: Field, canvas: Canvas, raster: Canvas) -> Field:
    size = (raster.width, raster.height)
    return np.asarray(
        cv2.warpAffine(image, canvas.transform_to(raster), size, flags=cv2.INTER_LINEAR)
    )
