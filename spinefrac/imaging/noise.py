"""Noise and kernel of a model input, from the fine structure of its soft tissue.

A band of spatial frequencies is the difference of two blurred copies. Noise is the size of the
middle bands; a sharp kernel moves noise into the finest band and a soft one out of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.imaging.median import median
from spinefrac.records import GreyImage

#: Standard deviations of the blurs, in pixels: they bound three bands.
_BLURS_PX = (0.6, 1.0, 1.7)
#: Grey value of tissue (not air), largest of soft tissue (not bone), and how far from air it is.
_LEAST_TISSUE, _MOST_SOFT, _MARGIN_PX = 20, 110.0, 7
_LEAST_PIXELS = 200
#: Keeps the logarithm finite; a fraction of one grey level.
_FLOOR = 0.05


@dataclass(frozen=True, slots=True)
class NoiseMeasure:
    """Fine structure of soft tissue, in natural logarithms of grey levels.

    Attributes
    ----------
    level : float
        How much noise there is.
    grain : float
        Finest band relative to the coarsest: high after a sharp kernel, low after a soft one.
    """

    level: float
    grain: float


def measure_noise(pixels: GreyImage) -> NoiseMeasure:
    """Measure noise and grain.

    Parameters
    ----------
    pixels : uint8 array, shape (S, S)
        A model input.
    """
    grey = pixels.astype(np.float32)
    where = _find_soft_tissue(pixels, grey)
    bands, previous = [], grey
    for sigma in _BLURS_PX:
        blurred = np.asarray(cv2.GaussianBlur(grey, (0, 0), sigma), np.float32)
        band = np.asarray(cv2.absdiff(previous, blurred), np.float32)[where]
        bands.append(float(np.log(median(band) + _FLOOR)))  # the median leaves edges out
        previous = blurred
    return NoiseMeasure(level=(bands[1] + bands[2]) / 2, grain=bands[0] - bands[2])


def _find_soft_tissue(pixels: GreyImage, grey: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Return where soft tissue is; all tissue, or the whole input, where there is too little."""
    margin = np.ones((_MARGIN_PX, _MARGIN_PX), np.uint8)
    tissue = cv2.erode((pixels >= _LEAST_TISSUE).astype(np.uint8), margin) > 0
    soft = tissue & (cv2.GaussianBlur(grey, (0, 0), 3.0) < _MOST_SOFT)
    for candidate in (soft, tissue):
        if candidate.sum() >= _LEAST_PIXELS:
            return np.asarray(candidate)
    return np.ones(pixels.shape, bool)
