"""Hounsfield units: the fixed points of the scale and the windows through which it is shown.

Water is 0 HU and air -1000 HU by definition. A window is (centre, width) in HU, as DICOM states it
(PS3.3, C.11.2.1.2).
"""

from __future__ import annotations

from spinefrac.records import BONE_WINDOW

__all__ = ["AIR_HU", "BONE_WINDOW", "MAX_HU", "WINDOW_PRESETS", "Window"]

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
