"""A slice into a model's input, and a model's map back onto the slice."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.imaging.bone_crop import enclosing_square, find_bone_square
from spinefrac.imaging.hounsfield import BONE_WINDOW, Window
from spinefrac.records import CtSlice, FloatImage, GreyImage, ModelInput, Preprocessing, Square


def apply_window(pixels_hu: npt.NDArray[np.floating], center: float, width: float) -> GreyImage:
    """Show a range of Hounsfield units as grey.

    Parameters
    ----------
    pixels_hu : float array, shape (H, W)
    center, width : float
        In Hounsfield units; `width` must be positive.

    Returns
    -------
    uint8 array, shape (H, W)
        0 at and below centre - width / 2, 255 at and above centre + width / 2.

    Examples
    --------
    >>> import numpy as np
    >>> apply_window(np.array([[-1000.0, 40.0, 1000.0]]), center=40, width=400).tolist()
    [[0, 128, 255]]
    """
    return _to_uint8(_window_to_float(pixels_hu, center, width))


def to_display(ct: CtSlice, window: Window | None = None) -> GreyImage:
    """Return a slice as it is displayed.

    Parameters
    ----------
    ct : CtSlice
    window : (centre, width) or None
        In Hounsfield units. None is the file's own, else the bone window. Slices that are not
        calibrated are displayed as they are.

    Returns
    -------
    uint8 array, shape (H, W)
    """
    if not ct.calibrated:
        return _to_uint8(ct.pixels)
    center, width = window or ct.window or BONE_WINDOW
    return _to_uint8(_window_to_float(ct.pixels, center, width))


def to_input(ct: CtSlice, preprocessing: Preprocessing) -> ModelInput:
    """Cut, window and resize a slice the way a model was trained.

    Parameters
    ----------
    ct : CtSlice
    preprocessing : Preprocessing
        Of the model's card.

    Returns
    -------
    ModelInput
        Pixels uint8 (S, S), and the square of the slice that they show. Where the square
        reaches past the slice, the input is black.
    """
    rows, columns = ct.pixels.shape
    square = find_bone_square(ct) if preprocessing.bone_crop else enclosing_square(rows, columns)
    top, left = max(square.top, 0), max(square.left, 0)
    bottom, right = min(square.top + square.side, rows), min(square.left + square.side, columns)
    cut = ct.pixels[top:bottom, left:right]
    if ct.calibrated:
        cut = _window_to_float(cut, preprocessing.window_center, preprocessing.window_width)
    # float32 up to here and through the resize, rounded once at the end.
    before = (top - square.top, left - square.left)
    after = (square.top + square.side - bottom, square.left + square.side - right)
    size = preprocessing.size
    # The axis with least padding first: a 16000×4000 strip then never becomes 16000×16000.
    for axis in sorted((0, 1), key=lambda a: before[a] + after[a]):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (before[axis], after[axis])
        if any(pad[axis]):
            cut = np.pad(cut, pad)
        cut = _resize_axis(cut, axis, size)
    return ModelInput(pixels=_to_uint8(cut), square=square)


def project_heatmap(
    heatmap: npt.NDArray[np.float32], square: Square, shape: tuple[int, int]
) -> FloatImage:
    """Resample a map over a square to the slice's own pixels.

    Parameters
    ----------
    heatmap : float32 array, shape (h, w)
        Values over `square`, each in the middle of its cell.
    square : Square
        Where the model's input was cut, from `ModelInput.square`.
    shape : (H, W)
        Of the slice.

    Returns
    -------
    float32 array, shape (H, W)
        Bilinear inside the square, 0 outside it.
    """
    values = heatmap.astype(np.float32, copy=False)
    # Gathers rather than a matrix product: as fast, and no BLAS threads to wait for.
    lower, upper, part, down = _interpolation_indices(
        shape[0], square.top, square.side, values.shape[0]
    )
    values = values[lower] * (1 - part[:, None]) + values[upper] * part[:, None]  # (H, w)
    lower, upper, part, across = _interpolation_indices(
        shape[1], square.left, square.side, values.shape[1]
    )
    values = values[:, lower] * (1 - part) + values[:, upper] * part  # (H, W)
    values[~down] = 0
    values[:, ~across] = 0
    return np.ascontiguousarray(values)


def _window_to_float(pixels: npt.NDArray[np.floating], center: float, width: float) -> FloatImage:
    """Window to float32 in 0…255, not rounded. The edges are those of PS3.3, C.11.2.1.3.2."""
    scaled = (pixels.astype(np.float32, copy=False) - np.float32(center - width / 2)) * np.float32(
        255.0 / width
    )
    return np.clip(scaled, 0, 255, out=scaled)


def _to_uint8(pixels: FloatImage) -> GreyImage:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _resize_axis(pixels: FloatImage, axis: int, size: int) -> FloatImage:
    """Resize one axis to `size`: area means where it shrinks, linear where it grows."""
    length = pixels.shape[axis]
    if length == size:
        return pixels
    target = (pixels.shape[1], size) if axis == 0 else (size, pixels.shape[0])
    method = cv2.INTER_AREA if length > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, target, interpolation=method), dtype=np.float32)


def _interpolation_indices(
    length: int, start: int, side: int, cells: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], FloatImage, npt.NDArray[np.bool_]]:
    """Return between which two cells each pixel of an axis lies, all of shape (length,).

    Lower cell, upper cell, the upper one's share, and whether the pixel is in the square.
    """
    pixels = np.arange(length) + 0.5 - start
    position = np.clip(pixels * cells / side - 0.5, 0, cells - 1)
    lower = position.astype(np.intp)
    upper = np.minimum(lower + 1, cells - 1)
    return lower, upper, (position - lower).astype(np.float32), (pixels > 0) & (pixels < side)
