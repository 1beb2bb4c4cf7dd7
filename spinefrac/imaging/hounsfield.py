"""Hounsfield units: the fixed points of the scale and the windows through which it is shown.

Water is 0 HU and air -1000 HU by definition. A window is (centre, width) in HU, as DICOM states it
(PS3.3, C.11.2.1.2).
"""

from __future__ import annotations

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
#: Share of pixels that resampling may have put below 0 where there were none.
_NEGATIVE_SHARE = 1e-4


def explain_implausible(pixels: FloatImage) -> str:
    """Say why values cannot be Hounsfield units, as a phrase; empty where they can.

    A slice has air at -1000 HU around the body, and fat at -100 HU in it.

    Parameters
    ----------
    pixels : float32 array, shape (H, W)
        As the file states them, in HU.
    """
    low, high = float(pixels.min()), float(pixels.max())
    if low == high:
        return ""
    cause = ""
    if high > _MOST_HU:
        cause = "negative ones were saved as unsigned numbers"
    elif high - low <= _LEAST_RANGE_HU:
        cause = "they were scaled to a small range"
    elif (pixels < 0).mean() <= _NEGATIVE_SHARE:
        if high <= 255:
            cause = "they are grey values of a window"
        else:
            cause = "none is below 0, though air has -1000; they may be Hounsfield units + 1024"
    if not cause:
        return ""
    return f"values from {low:,.4g} to {high:,.6g} cannot be Hounsfield units: {cause}"
