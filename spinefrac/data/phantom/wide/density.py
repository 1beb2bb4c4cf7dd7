"""Density of bones other than vertebrae: a cortical shell over cancellous bone."""

from __future__ import annotations

import cv2
import numpy as np

from spinefrac.data.phantom.anatomy import Anatomy
from spinefrac.data.phantom.canvas import Canvas, Field, Mask


def fill_density(
    mask: Mask, canvas: Canvas, anatomy: Anatomy, cortex_mm: float, rng: np.random.Generator
) -> Field:
    """Return the density in HU of the bones of a mask, their shell `cortex_mm` thick."""
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3) * np.float32(canvas.pixel_size_mm)
    inner = anatomy.trabecular * 1.3 + anatomy.trabecular_texture * canvas.smooth_noise(rng, 1.2)
    thickness = cortex_mm * (1 + 0.25 * canvas.smooth_noise(rng, 5.0))
    shell = np.clip((thickness - depth) / 0.5 + 0.5, 0, 1)
    cortex = anatomy.cortex_hu + 90 * canvas.smooth_noise(rng, 3.0)
    return np.asarray(inner + (cortex - inner) * shell, np.float32)
