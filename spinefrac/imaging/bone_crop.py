"""The bone crop: the square around the vertebra of an axial slice."""

from __future__ import annotations

from math import ceil

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.imaging.median import median
from spinefrac.records import CtSlice, FloatImage, Square

#: Bone starts here, in Hounsfield units after averaging to the search grid: above muscle and
#: organs. Contrast-filled vessels reach it too, but lie apart from the spine or before it.
BONE_THRESHOLD_HU = 170.0

#: Soft tissue starts here, in Hounsfield units.
TISSUE_THRESHOLD_HU = -300.0

#: The slice is searched on a grid of this many pixels a side: fast, and noise averages out.
_GRID_SIDE = 160

#: Bones closer than this belong to one vertebra: millimetres, or a share of the slice's side.
_GAP_MM, _GAP_SHARE = 12.0, 0.05

#: How fast bone far from the body's middle stops to count: the smaller of a length in
#: millimetres, so that arms beside the body do not, and a share of the slice's side.
_CENTER_SIGMA_MM, _CENTER_SIGMA_SHARE = 75.0, 0.22

#: The square keeps this much around the bone, relative to the bone's extent.
_MARGIN = 0.12

#: A whole vertebra fits into the smaller of a length in millimetres and a share of the slice's
#: side. Where the field of view is narrow the share decides, so that a slice is magnified alike
#: as DICOM and as PNG, which does not state its spacing.
_MIN_SIDE_MM, _MIN_SIDE_SHARE = 110.0, 0.5

#: Sides are multiples of this share of the slice's side, so that neighbouring slices get
#: the same magnification.
_STEP_SHARE = 1 / 16

#: Clusters with this share of the heaviest one's weight belong to the crop: above the canal the
#: arch of C1 may be lighter than the occiput, and on the level of a disc the joints heavier
#: than the end plate.
_MIN_CLUSTER_WEIGHT = 0.2

#: Less bone than this share of the grid is none.
_MIN_BONE_SHARE = 0.001


def enclosing_square(rows: int, columns: int) -> Square:
    """Return the smallest square around a slice, the slice in its middle."""
    side = max(rows, columns)
    return Square(top=-((side - rows) // 2), left=-((side - columns) // 2), side=side)


def find_bone_square(ct: CtSlice) -> Square:
    """Find the square around the vertebra, or the whole slice where none is convincing.

    Bone is what lies above a threshold: in Hounsfield units, or above the soft tissue where the
    slice is not calibrated. Its parts are joined over small gaps; the cluster with the most bone
    near the body's middle is the vertebra, which leaves out table, collar, arms, ribs and border
    text. On the skull base the cluster is the skull, and the square nearly the whole slice.

    Parameters
    ----------
    ct : CtSlice

    Returns
    -------
    Square
        Inside the square around the whole slice.
    """
    rows, columns = ct.pixels.shape
    whole = enclosing_square(rows, columns)
    scale = min(1.0, _GRID_SIDE / whole.side)  # grid pixels a slice pixel
    shape = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    reduced = cv2.resize(ct.pixels, shape, interpolation=cv2.INTER_AREA)
    grid = np.asarray(cv2.GaussianBlur(reduced, (0, 0), 0.8), dtype=np.float32)
    bone, tissue = segment_bone(grid, calibrated=ct.calibrated)
    side = whole.side * scale
    millimetre = scale / max(ct.spacing_mm) if ct.spacing_mm else None  # grid pixels a mm
    gap = _GAP_MM * millimetre if millimetre else _GAP_SHARE * side
    reach = (
        min(_CENTER_SIGMA_MM * millimetre, _CENTER_SIGMA_SHARE * side)
        if millimetre
        else _CENTER_SIGMA_SHARE * side
    )
    box = _find_bone_box(bone, tissue, gap, reach)
    if box is None:
        return whole
    top, left, bottom, right = (edge / scale for edge in box)
    least = _MIN_SIDE_SHARE * whole.side
    if ct.spacing_mm:
        least = min(least, _MIN_SIDE_MM / max(ct.spacing_mm))
    extent = max(bottom - top, right - left) * (1 + 2 * _MARGIN)
    step = _STEP_SHARE * whole.side
    length = round(ceil(max(extent, least) / step) * step)
    if length >= whole.side:
        return whole
    return Square(
        top=_clamp_start((top + bottom) / 2, length, whole.top, whole.side),
        left=_clamp_start((left + right) / 2, length, whole.left, whole.side),
        side=length,
    )


def _clamp_start(middle: float, length: int, start: int, side: int) -> int:
    """Return where a stretch around `middle` begins, moved to stay inside the whole."""
    return int(np.clip(round(middle - length / 2), start, start + side - length))


def segment_bone(
    grid: FloatImage, *, calibrated: bool
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Return masks of bone and of soft tissue, each of the shape of a smoothed slice."""
    if calibrated:
        return (grid > BONE_THRESHOLD_HU).astype(np.uint8), grid > TISSUE_THRESHOLD_HU
    grey = np.clip(grid, 0, 255).astype(np.uint8)
    split, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    tissue = grid > split
    if not tissue.any():
        return np.zeros_like(grey), tissue
    soft = median(grid[tissue])
    spread = 1.4826 * median(np.abs(grid[tissue] - soft))
    top = float(grid.max()) - soft
    level = soft + max(float(np.clip(2 * spread, 0.12 * top, 0.5 * top)), 4.0)
    return (grid > level).astype(np.uint8), tissue


def _find_bone_box(
    bone: npt.NDArray[np.uint8], tissue: npt.NDArray[np.bool_], gap: float, sigma: float
) -> tuple[int, int, int, int] | None:
    """Return top, left, bottom, right of the bone cluster nearest the body's middle."""
    if bone.mean() < _MIN_BONE_SHARE or not tissue.any():
        return None
    reach_of_closing = 2 * max(1, round(gap / 2)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach_of_closing, reach_of_closing))
    joined = cv2.morphologyEx(bone, cv2.MORPH_CLOSE, kernel)
    count, labels = cv2.connectedComponents(joined)
    rows, columns = (np.arange(n, dtype=np.float32) for n in bone.shape)
    middle_row = float(rows @ tissue.sum(axis=1) / tissue.sum())
    middle_column = float(columns @ tissue.sum(axis=0) / tissue.sum())
    weight = np.outer(
        np.exp(-0.5 * ((rows - middle_row) / sigma) ** 2),
        np.exp(-0.5 * ((columns - middle_column) / sigma) ** 2),
    )
    masses = np.bincount(labels.ravel(), weights=(weight * bone).ravel(), minlength=count)
    masses[0] = 0  # background
    heavy = masses >= max(_MIN_CLUSTER_WEIGHT * masses.max(), np.finfo(float).tiny)
    chosen = heavy[labels] & (bone > 0)
    if chosen.sum() < _MIN_BONE_SHARE * bone.size:
        return None
    in_rows, in_columns = np.flatnonzero(chosen.any(1)), np.flatnonzero(chosen.any(0))
    return int(in_rows[0]), int(in_columns[0]), int(in_rows[-1]) + 1, int(in_columns[-1]) + 1
