"""Ask any Keras model that gives one number a slice for its logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinefrac.errors import ModelError
from spinefrac.records import GreyImage

if TYPE_CHECKING:
    import keras

_BATCH = 64
#: Closest a probability may come to 0 or 1 before it is turned back into a logit.
_EPSILON = 1e-7


def get_input_size(model: keras.Model) -> int:
    """Return the side S of a model's square input.

    Raises
    ------
    ModelError
        The model does not take one square grey or RGB picture, or does not give one number.
    """
    taken, given = model.input_shape, model.output_shape
    fits = (
        isinstance(taken, tuple)
        and len(taken) == 4
        and taken[1] == taken[2]
        and taken[1] is not None
        and taken[3] in (1, 3)
        and isinstance(given, tuple)
        and len(given) == 2
        and given[1] == 1
    )
    if not fits:
        raise ModelError(
            "expected a model with input (side, side, 1 or 3) and one output a slice (a sigmoid "
            f"or a logit), got input {taken} and output {given}; build it with build_cnn_model() "
            "or change its first and last layer"
        )
    return int(taken[1])


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
    given = np.concatenate(parts)[:, 0].astype(np.float64)
    if not has_sigmoid_output(model):
        return given
    given = np.clip(given, _EPSILON, 1 - _EPSILON)
    return np.log(given) - np.log1p(-given)
