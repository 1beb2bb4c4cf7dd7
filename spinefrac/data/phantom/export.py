"""From Hounsfield units to the 8-bit picture that a workstation saves."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from spinefrac.data.phantom.canvas import Field
from spinefrac.imaging import apply_window
from spinefrac.imaging.hounsfield import BONE_WINDOW, WINDOW_PRESETS
from spinefrac.records import GreyImage

_SOFT_TISSUE = WINDOW_PRESETS["Soft tissue"]


@dataclass(frozen=True)
class Export:
    """How slices are saved with 8 bits.

    Attributes
    ----------
    center, width : window, HU.
    inverted : whether bone is black.
    resampled_side : side in pixels through which the picture was resized; 0 is not at all.
    sharpening : how much of the difference from a blurred copy is added; 0 is none.
    jpeg_quality : quality of a JPEG file that it was before; 0 is none.
    """

    center: float = BONE_WINDOW[0]
    width: float = BONE_WINDOW[1]
    inverted: bool = False
    resampled_side: int = 0
    sharpening: float = 0.0
    jpeg_quality: int = 0

    @classmethod
    def sample(cls, rng: np.random.Generator, size: int) -> Export:
        """Draw what a patient's slices of `size` pixels went through."""
        center, width = _sample_window(rng)
        return cls(
            center=center,
            width=width,
            inverted=bool(rng.uniform() < 0.02),
            resampled_side=int(size * rng.uniform(0.5, 0.9)) if rng.uniform() < 0.12 else 0,
            sharpening=rng.uniform(0.3, 1.5) if rng.uniform() < 0.12 else 0.0,
            jpeg_quality=int(rng.integers(60, 98)) if rng.uniform() < 0.3 else 0,
        )

    def apply(self, hu: Field) -> GreyImage:
        """Return the picture, uint8 array of the slice's shape."""
        grey = apply_window(hu, self.center, self.width)
        if self.resampled_side:
            small = (self.resampled_side, self.resampled_side)
            reduced = cv2.resize(grey, small, interpolation=cv2.INTER_AREA)
            grey = np.asarray(cv2.resize(reduced, grey.shape[::-1]), np.uint8)
        if self.sharpening:
            soft = cv2.GaussianBlur(grey, (0, 0), 1.2)
            grey = np.asarray(
                cv2.addWeighted(grey, 1 + self.sharpening, soft, -self.sharpening, 0), np.uint8
            )
        if self.inverted:
            grey = np.asarray(255 - grey, np.uint8)
        if self.jpeg_quality:
            _, data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, self.jpeg_quality])
            grey = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
        return grey


def _sample_window(rng: np.random.Generator) -> tuple[float, float]:
    """Draw a window (centre, width): of bone mostly, of soft tissue, or set by hand."""
    kind = rng.uniform()
    if kind < 0.3:
        return BONE_WINDOW
    if kind < 0.65:  # the many bone windows in use
        return rng.uniform(250, 650), rng.uniform(1200, 3200)
    if kind < 0.75:
        return _SOFT_TISSUE[0] + rng.normal(0, 15), _SOFT_TISSUE[1] * rng.uniform(0.9, 1.8)
    if kind < 0.9:  # bright: soft tissue is light grey, the shell of bone saturated
        top = rng.uniform(350, 1000)
        width = rng.uniform(900, 2400)
        return top - width / 2, width
    low, high = rng.uniform(-1100, 20), rng.uniform(350, 2200)
    return (low + high) / 2, high - low
