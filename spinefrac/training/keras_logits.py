"""Logits of any Keras model that gives one number per slice, or one per class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinefrac.errors import ModelError
from spinefrac.exchange.networks import output_form
from spinefrac.exchange.networks.keras_graph import require_output_form
from spinefrac.records import GreyImage, Preprocessing

if TYPE_CHECKING:
    import keras

_BATCH = 64
#: So few slices are predicted without compiling the model first.
_FEW = 4


def get_input_size(model: keras.Model) -> int:
    """Return the side S of a model's square input; the usual one where it takes any.

    Raises
    ------
    ModelError
        The model is not built, or does not take one square grey or RGB image, or does not give
        one number, or one a class.
    """
    inputs, outputs = _get_tensors(model)
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelError(
            f"Expected a model with one input and one output, got {len(inputs)} and "
            f"{len(outputs)}: make a keras.Model of the classifier alone"
        )
    named = getattr(model, "output", None)  # a Sequential has none
    if isinstance(named, dict):
        raise ModelError(
            f"Expected a model with one output, got a dictionary with {list(named)}: make a "
            "keras.Model whose output is the tensor in it"
        )
    source, output = tuple(inputs[0].shape), tuple(outputs[0].shape)
    fits = (
        len(source) == 4
        and source[1] == source[2]
        and source[3] in (1, 3)
        and len(output) == 2
        and output[1] in (1, 2)
    )
    if not fits:
        raise ModelError(
            "expected a model with input (side, side, 1 or 3) and one output per slice (a sigmoid "
            "or a logit) or two (a softmax over no fracture and fracture), got input "
            f"{source} and output {output}; build it with build_cnn_model() or change its first "
            "and last layer"
        )
    return int(source[1] or Preprocessing().size)


def _get_tensors(model: keras.Model) -> tuple[list[Any], list[Any]]:
    """Return the symbolic inputs and outputs of a model; ModelError where it has none."""
    import keras

    try:
        return list(model.inputs), list(model.outputs)
    except (AttributeError, TypeError, ValueError):
        pass
    if isinstance(model, keras.Sequential):
        raise ModelError(
            "The model is not built, so the size of its input is not known: begin it with "
            "keras.Input((224, 224, 1))"
        )
    raise ModelError(
        f"{type(model).__name__} is a subclass of keras.Model with a call of its own, which can "
        "neither be saved without its code nor be followed: build it from keras.Input as a "
        "functional or sequential model"
    )


def make_loss(model: keras.Model) -> Any:
    """Return the loss that fits what a model returns, for labels of 0 and 1 of shape (N, 1)."""
    import keras

    form = require_output_form(model)
    if form.units == 1:
        return keras.losses.BinaryCrossentropy(from_logits=not form.is_probability)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=not form.is_probability)


def to_image_batch(model: keras.Model, pixels: GreyImage) -> npt.NDArray[np.float32]:
    """Turn (n, S, S) uint8 into the (n, S, S, channels) float32 in 0…255 that a model takes."""
    images = pixels.astype(np.float32)[..., None]
    channels = model.inputs[0].shape[-1]
    return images if channels == 1 else np.repeat(images, channels, axis=-1)


def predict_logits(model: keras.Model, pixels: GreyImage) -> npt.NDArray[np.float64]:
    """Return a model's logits on model inputs.

    Parameters
    ----------
    model : keras.Model
        A probability or a logit for each slice, or one for each class.
    pixels : uint8 array, shape (n, S, S)

    Returns
    -------
    float64 array, shape (n,)
    """
    if not len(pixels):
        return np.empty(0, np.float64)
    if len(pixels) <= _FEW:
        outputs = np.asarray(model(to_image_batch(model, pixels), training=False))
    else:
        parts: list[Any] = [
            np.asarray(model.predict_on_batch(to_image_batch(model, pixels[i : i + _BATCH])))
            for i in range(0, len(pixels), _BATCH)
        ]
        outputs = np.concatenate(parts)
    return output_form.to_logits(outputs, require_output_form(model))
