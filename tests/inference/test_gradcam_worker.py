"""Grad-CAM through Keras: which layer it shows, and what it refuses."""

import numpy as np
import pytest

from spinefrac.errors import ModelError
from spinefrac.inference import gradcam_worker
from tests.support.bright_spots import SIDE, bright_spot_network, pooled


def bright_spot() -> np.ndarray:
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[20:24, 28:32] = 255
    return pixels


def test_what_cannot_be_computed_is_said():
    import keras
    from keras import layers

    image = keras.Input((SIDE, SIDE, 1))
    flat = layers.Dense(4, activation="relu")(layers.Flatten()(layers.MaxPooling2D(SIDE)(image)))
    model = keras.Model(image, layers.Dense(1, name="logit")(flat))
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    with pytest.raises(ModelError, match="no layer of this network keeps rows and columns"):
        gradcam_worker.compute_gradcam(model, pixels)
    with pytest.raises(ModelError, match="no place in this slice that raises the probability"):
        gradcam_worker.compute_gradcam(bright_spot_network(pooled), pixels)


def test_networks_within_networks_are_looked_into_and_averaged():
    import keras
    from keras import layers

    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[20:24, 28:32] = 255
    alone = gradcam_worker.compute_gradcam(bright_spot_network(pooled), pixels)
    nested = keras.Sequential([keras.Input((SIDE, SIDE, 1)), bright_spot_network(pooled)])
    assert np.allclose(gradcam_worker.compute_gradcam(nested, pixels), alone)
    image = keras.Input((SIDE, SIDE, 1))
    folds = [bright_spot_network(pooled), bright_spot_network(pooled)]
    folds[1].get_layer("spots").set_weights([w * 0 for w in folds[1].get_layer("spots").weights])
    average = keras.Model(image, layers.Average(name="logit")([fold(image) for fold in folds]))
    # The second sees nothing, so half of half: its share of the mean, and of the map.
    assert np.allclose(gradcam_worker.compute_gradcam(average, pixels), alone / 4)


def test_the_model_is_unchanged_and_can_be_explained_again():
    model = bright_spot_network(pooled)
    before = np.asarray(model(bright_spot()[None, ..., None].astype(np.float32)))
    first = gradcam_worker.compute_gradcam(model, bright_spot())
    np.testing.assert_array_equal(gradcam_worker.compute_gradcam(model, bright_spot()), first)
    after = np.asarray(model(bright_spot()[None, ..., None].astype(np.float32)))
    np.testing.assert_array_equal(before, after)


def test_the_map_follows_the_logit_where_there_is_one():
    """Where the probability is 1 its gradient is 0, that of the logit is not."""
    import keras
    from keras import layers

    def head(x):
        flat = layers.Flatten()(x)
        logit = layers.Dense(1, name="logit", kernel_initializer="ones")(flat)
        return layers.Activation("sigmoid")(layers.Rescaling(1e4)(logit))

    model = bright_spot_network(head)
    explained = gradcam_worker.build_explained_model(model)
    assert explained.outputs[0].shape[1:] == (1,) and len(explained.outputs) == 2
    assert explained.get_layer("spots") is model.get_layer("spots"), "layers are shared"
    assert isinstance(explained, keras.Model)
    assert gradcam_worker.compute_gradcam(model, bright_spot()).max() > 0


def test_a_map_finer_than_the_last_is_preferred_to_a_coarse_one():
    from keras import layers

    def head(x):
        coarse = layers.AveragePooling2D(6, name="coarse")(x)  # 2 x 2
        return layers.Dense(1, name="logit", kernel_initializer="ones")(layers.Flatten()(coarse))

    found = gradcam_worker.compute_gradcam(bright_spot_network(head), bright_spot())
    assert found.shape == (12, 12)
    assert np.unravel_index(found.argmax(), found.shape) == (5, 7)


def test_a_shared_network_of_open_size_is_looked_into():
    """As an imported backbone is: its own input has no fixed rows and columns."""
    import keras
    from keras import layers

    inner_input = keras.Input((None, None, 1))
    spots = layers.Conv2D(2, 5, strides=4, padding="same", activation="relu")
    inner = keras.Model(inner_input, spots(inner_input), name="backbone")
    spots.set_weights([np.full((5, 5, 1, 2), 1 / 25, np.float32), np.zeros(2, np.float32)])
    image = keras.Input((SIDE, SIDE, 1))
    logit = layers.Dense(1, name="logit", kernel_initializer="ones")
    model = keras.Model(image, logit(layers.GlobalMaxPooling2D()(inner(image))))
    found = gradcam_worker.compute_gradcam(model, bright_spot())
    assert found.shape == (12, 12)
    assert np.unravel_index(found.argmax(), found.shape) == (5, 7)
