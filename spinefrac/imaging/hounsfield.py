"""Hounsfield units: the fixed points of the scale and the windows through which it is shown.

Water is 0 HU and air -1000 HU by definition. A window is (centre, width) in HU, as DICOM states it
(PS3.3, C.11.2.1.2).
"""

from __future__ import annotations

import numpy as np

from spinefrac.records import BONE_WINDOW, FloatImage

__all__ = [
    "AIR_HU",
    "BONE_WINDOW",
    "MAX_HU",
    "WINDOW_PRESETS",
    "Window",
    "explain_implausible",
]

Window = tuple[float, float]

#: Range of a scanner that stores 12 bits with an offset of 1024, in HU. The lower end also fills
#: what was not reconstructed: padding outside the circular field of view, voxels without a number.
AIR_HU, MAX_HU = -1024.0, 3071.0

#: Windows by the names that radiologists use.
WINDOW_PRESETS: dict[str, Window] = {
    "Bone": BONE_WINDOW,
    "Soft tissue": (40.0, 400.0),
    "Lung": (-600.0, 1500.0),
    "Brain": (40.0, 80.0),
}

#: No scanner states more, metal included (30,710 HU with the extended scale).
_MOST_HU = 32_000.0
#: A slice of a body spans more than this, noise alone does.
_LEAST_RANGE_HU = 20.0
#: With fat at -100 HU and bone above 200 HU it spans more than this.
_LEAST_TISSUE_RANGE_HU = 220.0
#: Share of pixels that resampling may have put below 0 where there were none.
_NEGATIVE_SHARE = 1e-4
#: Below air there is padding, which is one value, and noise.
_BELOW_AIR_HU, _MOST_BELOW_AIR = -1200.0, 0.05
#: Cortical bone and metal are never so large a part of a slice, nor of a crop around a vertebra.
_DENSE_HU, _MOST_DENSE = 850.0, 0.3
#: Where 12 bits without a sign put air: 4096 - 1000, and more than metal fills of a slice.
_WRAPPED_AIR_HU, _MOST_METAL = 2900.0, 0.1
#: Air of half the scale: a narrow peak between lung and fat, with nothing as thin as air.
_HALF_AIR_HU, _PEAK_WIDTH_HU = (-700.0, -350.0), 80.0
_MOST_IN_PEAK, _LEAST_OF_PEAK = 0.2, 0.8
_AIR_FROM_HU, _MOST_STRAY_AIR = -850.0, 0.005


def explain_implausible(pixels: FloatImage) -> str:
    """Say why values cannot be Hounsfield units, as a phrase; empty where they can.

    A slice has air at -1000 HU around the body, fat at -100 HU and muscle at 50 HU in it, and
    little that is as dense as cortical bone. Only what contradicts that beyond doubt is named:
    a crop without air, a slice of lung and one with metal are plausible.

    Parameters
    ----------
    pixels : float32 array, shape (H, W)
        As the file states them, in HU.
    """
    low, high = float(pixels.min()), float(pixels.max())
    if low == high:
        return ""
    cause = _explain_range(pixels, low, high) or _explain_peaks(pixels, low)
    if not cause:
        return ""
    return f"values from {low:,.4g} to {high:,.6g} cannot be Hounsfield units: {cause}"


def _explain_range(pixels: FloatImage, low: float, high: float) -> str:
    """Say what is wrong with the lowest and highest value; empty where nothing is."""
    if high > _MOST_HU:
        return "negative ones were saved as unsigned numbers"
    if high - low <= _LEAST_RANGE_HU:
        return "they were scaled to a small range"
    if (pixels < 0).mean() <= _NEGATIVE_SHARE:
        if high <= 255:
            return "they are grey values of a window"
        if (pixels > _WRAPPED_AIR_HU).mean() > _MOST_METAL:
            return "negative ones were saved as unsigned numbers of 12 bits"
        return "none is below 0, though air has -1000; they may be Hounsfield units + 1024"
    if high - low <= _LEAST_TISSUE_RANGE_HU:
        return "fat and bone are farther apart; the rescale slope may be wrong"
    return ""


def _explain_peaks(pixels: FloatImage, low: float) -> str:
    """Say which tissue lies where it cannot; empty where all of it is plausible."""
    inside = pixels[pixels > low]  # without padding
    if (inside < _BELOW_AIR_HU).mean() > _MOST_BELOW_AIR:
        return "many are below air, which has -1000; the rescale slope or intercept may be wrong"
    if (inside > _DENSE_HU).mean() > _MOST_DENSE:
        return (
            "too many are as dense as bone; they may be Hounsfield units + 1024, or the rescale "
            "slope may be wrong"
        )
    if (inside < _AIR_FROM_HU).mean() <= _MOST_STRAY_AIR:
        between = inside[(inside > _HALF_AIR_HU[0]) & (inside < _HALF_AIR_HU[1])]
        if len(between) <= _MOST_IN_PEAK * len(inside):
            return ""
        center = float(np.median(between))
        if (np.abs(between - center) < _PEAK_WIDTH_HU / 2).mean() > _LEAST_OF_PEAK:
            return f"air seems to be at {center:,.0f} and has -1000; the rescale slope may be wrong"
    return ""
