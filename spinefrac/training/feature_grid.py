"""The grid of a feature map: a logit for each of its cells, and maps of pixels on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spinefrac.records import GreyImage

if TYPE_CHECKING:
    import keras

#: The logit that is expected of a cell before anything is learnt. Cells with a fracture are rare: a
#: bias that says so from the start saves the steps that would learn it.
_INITIAL_BIAS = -4.0


def build_cell_layer(name: str) -> keras.layers.Layer:
    """Return a 1×1 convolution from a feature map (N, h, w, C) to a logit a cell (N, h, w, 1)."""
    import keras

    bias = keras.initializers.Constant(_INITIAL_BIAS)
    return keras.layers.Conv2D(1, 1, bias_initializer=bias, name=name)


def downsample_map(pixels: GreyImage, grid_shape: tuple[int, int]) -> GreyImage:
    """Return the largest value of each cell of the grid (h, w), of a map (S, S)."""
    side = len(pixels)
    factor = -(-side // grid_shape[0])
    padded = np.zeros((grid_shape[0] * factor, grid_shape[1] * factor), np.uint8)
    padded[:side, :side] = pixels
    return padded.reshape(grid_shape[0], factor, grid_shape[1], factor).max(axis=(1, 3))
