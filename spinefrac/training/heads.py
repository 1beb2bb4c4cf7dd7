"""The head of every network, and the exact class activation map that it allows.

Global average pooling and global max pooling of one feature map or several, and one dense layer.
Such a head is linear in the pooled features, so the logit splits exactly into a sum over the
positions of the maps (Zhou et al., "Learning deep features for discriminative localization",
CVPR 2016).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinefrac.errors import TrainingError

if TYPE_CHECKING:
    import keras

#: Name of the layer that gives the feature map, and beginning of the names of further ones.
FEATURES = "features"


def build_head(maps: Mapping[str, Any]) -> Any:
    """Pool feature maps and return one logit.

    Parameters
    ----------
    maps : mapping of str to keras.KerasTensor, shape (N, h, w, C) each
        By the names that their layers get: ``features``, or a name that begins so.

    Returns
    -------
    keras.KerasTensor, shape (N, 1)
        Of the dense layer ``logit`` on ``pooled``: of each map the averages of its channels, then
        their maxima.
    """
    from keras import layers

    pooled = []
    for name, features in maps.items():
        suffix = name.removeprefix(FEATURES)
        features = layers.Activation("linear", name=name)(features)
        pooled += [
            layers.GlobalAveragePooling2D(name=f"average{suffix}")(features),
            layers.GlobalMaxPooling2D(name=f"maximum{suffix}")(features),
        ]
    return layers.Dense(1, name="logit")(layers.Concatenate(name="pooled")(pooled))


def list_feature_maps(model: keras.Model) -> list[Any]:
    """Return the feature maps (N, h, w, C) that a network pools, in the order of the head."""
    own = [layer for layer in model.layers if layer.name.split("_")[0] == FEATURES]
    return [layer.output for layer in own]  # Keras sorts layers of one depth by the graph


def list_backbones(model: keras.Model) -> list[Any]:
    """Return the backbones that are models of their own, in the order of the head."""
    import keras

    return [layer for layer in model.layers if isinstance(layer, keras.Model)]


def add_heatmap_output(model: keras.Model) -> keras.Model:
    """Give a network its class activation map as a second output.

    Parameters
    ----------
    model : keras.Model
        With the head of `build_head`.

    Returns
    -------
    keras.Model
        Outputs ``logit`` (N, 1) and ``heatmap`` (N, h, w), float32, on the grid of the finest
        map; a cell of a coarser one is spread evenly over the cells that it covers. The map is
        in units of the logit: its sum over all positions plus the dense layer's bias is the
        logit. A channel's maximum is assigned to its position (evenly to ties).

    Raises
    ------
    TrainingError
        The grids of the maps do not fit into each other.
    """
    import keras
    from keras import layers

    kernel = model.get_layer("logit").get_weights()[0][:, 0]  # by map: averages, then maxima
    maps = list_feature_maps(model)
    finest = max((tuple(features.shape[1:3]) for features in maps), key=np.prod)
    parts, start = [], 0
    for features in maps:
        channels = features.shape[3]
        part = _split_logit(features, kernel[start : start + 2 * channels])
        parts.append(_spread(part, finest))
        start += 2 * channels
    total = layers.Add()(parts) if len(parts) > 1 else parts[0]
    heatmap = layers.Reshape(finest, name="heatmap")(total)
    return keras.Model(model.input, [model.output, heatmap], name=f"{model.name}_with_heatmap")


def _split_logit(features: Any, kernel: npt.NDArray[np.float32]) -> Any:
    """Return what each position of a map (N, h, w, C) adds to the logit, shape (N, h, w, 1).

    `kernel` (2C,) are the weights of the averages, then of the maxima.
    """
    from keras import layers, ops

    _, height, width, channels = features.shape
    average = layers.Conv2D(1, 1, use_bias=False)
    maximum = layers.Conv2D(1, 1, use_bias=False)
    is_peak = ops.cast(
        ops.equal(features, ops.max(features, axis=(1, 2), keepdims=True)), "float32"
    )
    share = is_peak / ops.sum(is_peak, axis=(1, 2), keepdims=True)
    part = average(features) + maximum(features * share)
    average.set_weights([kernel[:channels].reshape(1, 1, channels, 1) / (height * width)])
    maximum.set_weights([kernel[channels:].reshape(1, 1, channels, 1)])
    return part


def _spread(part: Any, finest: tuple[int, int]) -> Any:
    """Spread each cell of (N, h, w, 1) evenly over the cells of the finest grid (H, W).

    The last row and column may cover fewer cells, where the side of the input was rounded up.
    """
    from keras import layers

    grid = tuple(part.shape[1:3])
    if grid == finest:
        return part
    ratio = -(-finest[0] // grid[0]), -(-finest[1] // grid[1])
    if tuple(-(-fine // step) for fine, step in zip(finest, ratio, strict=True)) != grid:
        raise TrainingError(
            f"the feature maps of {finest} and {grid} cells cannot be added to one heat map; "
            "choose an image size that is a multiple of 16"
        )
    rows, columns = (
        np.minimum(step, fine - step * np.arange(cells))
        for fine, step, cells in zip(finest, ratio, grid, strict=True)
    )
    cells = (rows[:, None] * columns).astype(np.float32)[None, ..., None]
    spread = layers.UpSampling2D(ratio)(part / cells)
    cropping = [(0, size - fine) for size, fine in zip(spread.shape[1:3], finest, strict=True)]
    return layers.Cropping2D(cropping)(spread) if any(map(any, cropping)) else spread
