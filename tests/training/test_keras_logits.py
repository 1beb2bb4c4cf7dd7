"""Logits of any Keras model with one output a slice, a probability or a logit."""

import numpy as np
import pytest

from spinefrac.errors import ModelError
from spinefrac.training import keras_logits

PIXELS = np.random.default_rng(0).integers(0, 256, (70, 8, 8), np.uint8)


def network(activation: str | None = None, channels: int = 1, outputs: int = 1):
    import keras

    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, channels))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
    return keras.Model(image, keras.layers.Dense(outputs, activation=activation)(pooled))


def test_a_sigmoid_is_undone() -> None:
    plain, probability = network(), network("sigmoid")
    probability.set_weights(plain.get_weights())
    logits = keras_logits.predict_logits(plain, PIXELS)
    assert logits.shape == (70,) and logits.std() > 0
    assert np.allclose(keras_logits.predict_logits(probability, PIXELS), logits, atol=1e-4)


def test_a_colour_model_gets_the_grey_three_times() -> None:
    batch = keras_logits.to_image_batch(network(channels=3), PIXELS)
    assert batch.shape == (70, 8, 8, 3) and (batch[..., 0] == PIXELS).all()
    assert (batch[..., 0] == batch[..., 2]).all()


def test_a_model_of_another_shape_is_refused() -> None:
    assert keras_logits.get_input_size(network()) == 8
    with pytest.raises(ModelError, match="one output per slice"):
        keras_logits.get_input_size(network(outputs=3))


def test_no_slices_give_no_logits() -> None:
    assert keras_logits.predict_logits(network(), PIXELS[:0]).shape == (0,)
