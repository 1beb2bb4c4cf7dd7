"""Logits of any Keras model that gives one number per slice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinefrac.errors import ModelError
from spinefrac.records import GreyImage

if TYPE_CHECKING:
    import keras

_BATCH = 64
#: Smallest distance of a probability to 0 and 1 before it is converted into a logit.
_EPSILON = 1e-7


def get_input_size(model: keras.Model) -> int:
    """Return the side S of a model's square input.

    Raises
    ------
    ModelError
        The model does not take one square grey or RGB image, or does not give one number.
    """
    input_shape, output_shape = model.input_shape, model.output_shape
    fits = (
        isinstance(input_shape, tuple)
        and len(input_shape) == 4
        and input_shape[1] == input_shape[2]
        and input_shape[1] is not None
        and input_shape[3] in (1, 3)
        and isinstance(output_shape, tuple)
        and len(output_shape) == 2
        and output_shape[1] == 1
    )
    if not fits:
        raise ModelError(
            "expected a model with input (side, side, 1 or 3) and one output per slice (a sigmoid "
            f"or a logit), got input {input_shape} and output {output_shape}; build it with "
            "build_cnn_model() or change its first and last layer"
        )
    return int(input_shape[1])


def has_sigmoid_output(model: keras.Model) -> bool:
    """Return whether a model gives probabilities rather than logits."""
    import keras

    return getattr(model.layers[-1], "activation", None) is keras.activations.sigmoid


def to_image_batch(model: keras.Model, pixels: GreyImage) -> npt.NDArray[np.float32]:
    """Turn (n, S, S) uint8 into the (n, S, S, channels) float32 in 0…255 that a model takes."""
    images = pixels.astype(np.float32)[..., None]
    channels = model.input_shape[-1]
    return images if channels == 1 else np.repeat(images, channels, axis=-1)


def predict_logits(model: keras.Model, pixels: GreyImage) -> npt.NDArray[np.float64]:
    """Return a model's logits on model inputs.

    Parameters
    ----------
    model : keras.Model
        One output a slice, a probability or a logit.
    pixels : uint8 array, shape (n, S, S)

    Returns
    -------
    float64 array, shape (n,)
    """
    if not len(pixels):
        return np.empty(0, np.float64)
    parts: list[Any] = [
        np.asarray(model.predict_on_batch(to_image_batch(model, pixels[i : i + _BATCH])))
        for i in range(0, len(pixels), _BATCH)
    ]
    outputs = np.concatenate(parts)[:, 0].astype(np.float64)
    if not has_sigmoid_output(model):
        return outputs
    outputs = np.clip(outputs, _EPSILON, 1 - _EPSILON)
    return np.log(outputs) - np.log1p(-outputs)
