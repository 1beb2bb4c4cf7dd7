"""Grad-CAM of one input through Keras, in a process of its own: see `serving.gradcam`.

    python -m spinefrac.inference.gradcam_worker

The map is that of the last layer that still keeps place: the mean gradient of the logit over
each channel weighs that channel, and what speaks against a fracture is cut off (Selvaraju et
al., 2017, "Grad-CAM").
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinefrac.errors import ModelError

if TYPE_CHECKING:
    import keras

#: A map coarser than this points at nothing, where a finer one can be had.
_MIN_MAP_SIDE = 4


def handle_task(task: dict[str, Any]) -> list[list[float]]:
    """Answer a task: ``model`` (path of a Keras file), ``pixels`` (base64) and ``size`` S.

    Returns
    -------
    list of rows, shape (h, w)
        At least 0; more speaks for a fracture.

    Raises
    ------
    ModelError
        The network keeps no place, does not pass gradients back, or nothing raises its score.
    """
    import keras

    size = int(task["size"])
    pixels = np.frombuffer(base64.b64decode(task["pixels"]), np.uint8).reshape(size, size)
    model = keras.models.load_model(task["model"], compile=False, safe_mode=True)
    return [[float(value) for value in row] for row in compute_gradcam(model, pixels)]


def compute_gradcam(model: keras.Model, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the map of one input.

    Parameters
    ----------
    model : keras.Model
        Input ``image`` (N, S, S, 1) in 0…255, output a probability (N, 1), with a layer
        ``logit`` before it as the store writes; without one the probability itself is followed.
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
    with tf.GradientTape() as tape:
        calls, answer = _record_layer_calls(model, image, tape)
        logits = [call.value for call in calls if call.layer is call.top and call.name == "logit"]
        score = tf.reduce_sum(logits[-1] if logits else answer)
    features = _select_feature_maps(calls)
    if not features:
        raise ModelError(
            "no layer of this network keeps the place of what it sees, so Grad-CAM has nothing to "
            "show where"
        )
    maps = []
    for value, gradient in zip(features, tape.gradient(score, features), strict=True):
        if gradient is None:
            raise ModelError(
                "this network passes no gradients back to its picture, so Grad-CAM fails"
            )
        weights = np.asarray(gradient, np.float64).mean(axis=(1, 2))[0]  # (C,)
        maps.append(np.maximum(np.asarray(value, np.float64)[0] @ weights, 0.0))
    found = np.mean(maps, axis=0)
    if not np.isfinite(found).all() or found.max() <= 0.0:
        raise ModelError("Grad-CAM finds no place in this slice that raises the score")
    return found.astype(np.float32)


@dataclass(frozen=True)
class _LayerCall:
    """One call of a layer: of which layer of the whole model it is part, and what it gave."""

    layer: Any
    top: Any
    value: Any

    @property
    def name(self) -> str:
        return str(self.layer.name)


def _record_layer_calls(model: keras.Model, image: Any, tape: Any) -> tuple[list[_LayerCall], Any]:
    """Run the model once; return the calls of its layers in their order, and its answer.

    Layers are watched where they are called, however deep they lie in models within models.
    """
    import keras

    calls: list[_LayerCall] = []

    def watch(layer: keras.layers.Layer, top: keras.layers.Layer) -> None:
        call = layer.call

        def watched(*arguments: Any, **options: Any) -> Any:
            value = call(*arguments, **options)
            if hasattr(value, "shape"):
                tape.watch(value)
                calls.append(_LayerCall(layer, top, value))
            return value

        layer.call = watched

    for top in model.layers:
        for layer in top._flatten_layers():
            if not isinstance(layer, keras.Model):
                watch(layer, top)
    return calls, model(image, training=False)


def _select_feature_maps(calls: list[_LayerCall]) -> list[Any]:
    """Return the last maps that keep place: one, or one for each network of an ensemble."""
    import keras

    maps = [call for call in calls if _is_feature_map(call.value, 2)]
    fine = [call for call in maps if _is_feature_map(call.value, _MIN_MAP_SIDE)]
    found = fine or maps
    # The last call counts for each network.
    last = {id(call.top): call.value for call in found if isinstance(call.top, keras.Model)}
    if len(last) > 1 and len({tuple(value.shape) for value in last.values()}) == 1:
        return list(last.values())
    return [found[-1].value] if found else []


def _is_feature_map(value: Any, min_side: int) -> bool:
    """Whether a tensor is a map (1, h, w, C) of at least `min_side` by `min_side`."""
    shape = tuple(value.shape)
    return len(shape) == 4 and min(shape[1:3]) >= min_side


if __name__ == "__main__":
    from spinefrac.system import sandbox

    sandbox.serve_task(handle_task)
