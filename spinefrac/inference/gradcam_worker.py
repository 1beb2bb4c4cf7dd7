"""Grad-CAM of one input through Keras, in a process of its own: see `inference.gradcam`.

The map is that of the last layer whose output is still a feature map (rows and columns): each
channel is weighted by the mean gradient of the logit over it, and negative sums become 0
(Selvaraju et al., 2017, "Grad-CAM").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinefrac.errors import ModelError
from spinefrac.system.hidden_modules import lean_keras_import

if TYPE_CHECKING:
    import keras

#: A coarser feature map cannot localise anything; it is used only where there is no finer one.
_MIN_MAP_SIDE = 4


def handle_task(task: dict[str, Any]) -> npt.NDArray[np.float32]:
    """Compute the map for ``model`` (path of a Keras file), ``pixels`` (bytes) and ``size`` S.

    Returns
    -------
    float32 array, shape (h, w)
        At least 0; higher values raise the probability of fracture.

    Raises
    ------
    ModelError
        The network has no feature map, passes no gradients back, or nothing raises its logit.
    """
    with lean_keras_import():
        import keras

    size = int(task["size"])
    pixels = np.frombuffer(task["pixels"], np.uint8).reshape(size, size)
    model = keras.models.load_model(task["model"], compile=False, safe_mode=True)
    return compute_gradcam(model, pixels)


def compute_gradcam(model: keras.Model, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the Grad-CAM of one input.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, with input ``image`` (N, S, S, 1) in 0…255 and one output. The
        gradient is that of its layer ``logit``, as the store writes it; of the output where
        there is no such layer.
    pixels : uint8 array, shape (S, S)

    Returns
    -------
    float32 array, shape (h, w)

    Raises
    ------
    ModelError
        As in `handle_task`.
    """
    import tensorflow as tf

    image = tf.constant(pixels[None, ..., None].astype(np.float32))
    explained = build_explained_model(model)
    if len(explained.outputs) == 1:
        raise ModelError(
            "no layer of this network keeps rows and columns, so Grad-CAM has no place to show"
        )
    with tf.GradientTape() as tape:
        tape.watch(image)
        logit, *features = explained(image, training=False)
    maps = [
        _weight_channels(feature, gradient)
        for feature, gradient in zip(features, tape.gradient(logit, features), strict=True)
    ]
    heatmap = np.mean(maps, axis=0)
    if not np.isfinite(heatmap).all() or heatmap.max() <= 0.0:
        raise ModelError("Grad-CAM finds no place in this slice that raises the probability")
    return heatmap.astype(np.float32)


def _weight_channels(feature: Any, gradient: Any) -> npt.NDArray[np.float64]:
    """Return the sum of the channels of a feature map (1, h, w, C), weighted by its gradient."""
    if gradient is None:
        raise ModelError("this network passes no gradients back to its input, so Grad-CAM fails")
    weights = np.asarray(gradient, np.float64).mean(axis=(1, 2))[0]  # (C,)
    return np.maximum(np.asarray(feature, np.float64)[0] @ weights, 0.0)


def build_explained_model(model: keras.Model) -> keras.Model:
    """Return a model that shares the layers and outputs the logit and the last feature maps.

    Parameters
    ----------
    model : keras.Model
        As in `compute_gradcam`.

    Returns
    -------
    keras.Model
        Outputs [logit (N, 1), feature map (N, h, w, C), …]: no map, one, or, for an ensemble of
        networks with maps of one shape, one for each network.
    """
    import keras

    clone, calls = _trace_layers(model)
    logits = [value for layer, value in calls if layer.name == "logit"]
    maps = _keep_finest([call for call in calls if _is_feature_map(call[1])])
    # The last call counts for each network within the model.
    by_network = {id(layer): value for layer, value in maps if isinstance(layer, keras.Model)}
    features = [value for _, value in maps[-1:]]
    if len(by_network) > 1 and len({tuple(value.shape) for value in by_network.values()}) == 1:
        features = list(by_network.values())
    return keras.Model(clone.inputs, [logits[-1] if logits else clone.outputs[0], *features])


def _trace_layers(
    model: keras.Model, inputs: Any = None
) -> tuple[keras.Model, list[tuple[keras.layers.Layer, keras.KerasTensor]]]:
    """Call every layer again on new symbolic inputs.

    Returns
    -------
    clone : keras.Model
        Shares the layers of `model`.
    calls : list of (layer, tensor)
        Each layer with its output, in the order of the calls; for a network within the
        model, the network with its last feature map, if it has one.
    """
    import keras

    calls: list[tuple[keras.layers.Layer, keras.KerasTensor]] = []

    def call(layer: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(layer, keras.Model):
            inner, maps = _expose_last_map(layer, arguments[0])
            values = keras.tree.flatten(inner(*arguments, **options))
            calls.extend((layer, value) for value in values[len(values) - maps :])
            return values[: len(values) - maps]
        value = layer(*arguments, **options)
        if isinstance(layer, keras.layers.Layer) and isinstance(value, keras.KerasTensor):
            calls.append((layer, value))
        return value

    # `clone_model` calls the layers of functional models only.
    functional = keras.Model(model.inputs, model.outputs, name=model.name)
    clone = keras.models.clone_model(
        functional, inputs, clone_function=lambda layer: layer, call_function=call
    )
    return clone, calls


def _expose_last_map(network: keras.Model, inputs: Any) -> tuple[keras.Model, int]:
    """Return a network that also outputs its last feature map, and how many maps: 0 or 1."""
    import keras

    def to_input(tensor: keras.KerasTensor) -> keras.KerasTensor:
        return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype)

    clone, calls = _trace_layers(network, [to_input(t) for t in keras.tree.flatten(inputs)])
    maps = _keep_finest([call for call in calls if _is_feature_map(call[1])])[-1:]
    outputs = [*clone.outputs, *(value for _, value in maps)]
    return keras.Model(clone.inputs, outputs, name=network.name), len(maps)


def _is_feature_map(tensor: keras.KerasTensor) -> bool:
    """Whether a tensor has shape (N, h, w, C) with more than one row and column."""
    return len(tensor.shape) == 4 and min(side or 0 for side in tensor.shape[1:3]) >= 2


def _keep_finest(
    maps: list[tuple[keras.layers.Layer, keras.KerasTensor]],
) -> list[tuple[keras.layers.Layer, keras.KerasTensor]]:
    """Return the maps with `_MIN_MAP_SIDE` rows and columns or more; all where there are none."""
    return [call for call in maps if min(call[1].shape[1:3]) >= _MIN_MAP_SIDE] or maps
