"""Features for the input check: what a network sees at several depths, as an output of its graph.

Of the last map at each resolution, a quarter of the input's side and coarser, the average and the
standard deviation of every channel: fine maps know noise and kernel, coarse ones anatomy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

#: Wider maps are passed over: their covariance would take more than the whole model.
MAX_CHANNELS = 128

#: Maps have at most this part of the input's side; finer ones see single pixels.
_LARGEST_PART = 1 / 3
_SMALLEST_VARIANCE = 1e-6


def list_maps(network: keras.Model) -> list[Any]:
    """Return the last map (N, h, w, C) at each resolution, from fine to coarse.

    Parameters
    ----------
    network : keras.Model
        From an image (N, S, S, 1), a backbone or all before the head. Models within it are
        passed over.

    Returns
    -------
    list of keras.KerasTensor
        Empty where it has none of at most `MAX_CHANNELS` channels.
    """
    import keras

    largest = network.inputs[0].shape[1] * _LARGEST_PART
    found: dict[tuple[int, int], Any] = {}
    for layer in network.layers:
        if isinstance(layer, keras.Model | keras.layers.InputLayer):
            continue
        shape: tuple[int, ...] = getattr(layer.output, "shape", ())
        if len(shape) == 4 and 1 < shape[1] <= largest and shape[3] <= MAX_CHANNELS:
            found[shape[1], shape[2]] = layer.output
    return [found[side] for side in sorted(found, reverse=True)]


def describe_map(features: Any) -> Any:
    """Return average and standard deviation (N, 2C) of the channels of a map (N, h, w, C)."""
    from keras import layers, ops

    average = layers.GlobalAveragePooling2D()(features)
    square = layers.GlobalAveragePooling2D()(ops.square(features))
    variance = ops.maximum(square - ops.square(average), _SMALLEST_VARIANCE)
    return layers.Concatenate()([average, ops.sqrt(variance)])
