"""Grad-CAM points at what a foreign network rests on, and says so where it cannot."""

import subprocess
import sys

import numpy as np
import pytest

from spinefrac.errors import ModelError
from spinefrac.exchange import import_model
from spinefrac.exchange.io_spec import DeclaredIO
from spinefrac.inference import gradcam, gradcam_worker
from spinefrac.inference.predictor import Predictor
from spinefrac.records import CtSlice
from spinefrac.system import sandbox

SIDE = 48

GIVEN = DeclaredIO(scale="0..255", positive_class=1)


def bright_spot_network(head):
    """A network that answers yes where the picture has bright spots, by fixed weights."""
    import keras
    from keras import layers

    image = keras.Input((SIDE, SIDE, 1))
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(2, 5, strides=4, padding="same", activation="relu", name="spots")(x)
    model = keras.Model(image, head(x))
    kernel = np.full((5, 5, 1, 2), 1 / 25, np.float32)
    kernel[..., 1] *= -1
    model.get_layer("spots").set_weights([kernel, np.array([-0.5, 0.0], np.float32)])
    return model


def pooled(x):
    from keras import layers

    flat = layers.GlobalAveragePooling2D()(x)
    return layers.Dense(
        1, activation="sigmoid", kernel_initializer="ones", bias_initializer="zeros"
    )(flat)


def a_slice():
    pixels = np.full((96, 96), 60, np.float32)
    pixels[60:76, 12:28] = 255  # the only bright spot
    return CtSlice(pixels, calibrated=False, format="png")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """The network as a file from elsewhere, imported; gives its predictor."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINEFRAC_HOME", str(folder))
        bright_spot_network(pooled).save(folder / "foreign.keras")
        yield Predictor(import_model.import_file(folder / "foreign.keras", user_io=GIVEN))


@pytest.mark.slow
def test_the_map_lies_over_what_raises_the_score(foreign):
    ct = a_slice()
    prediction = foreign.predict(ct)
    assert prediction.heatmap is None
    found = gradcam.compute_gradcam(foreign.model, prediction.input, ct.pixels.shape)
    assert found.shape == ct.pixels.shape and found.min() >= 0
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert 56 <= row < 80 and 8 <= column < 32
    assert found[60:76, 12:28].mean() > 10 * found[:40].mean()


@pytest.mark.slow
def test_what_takes_too_long_is_given_up(foreign):
    starved = sandbox.ResourceLimits(wall_s=1)
    seen = foreign.predict(a_slice()).input
    with pytest.raises(ModelError, match=r"No heat map could be computed.*within 1 s"):
        gradcam.compute_gradcam(foreign.model, seen, (96, 96), starved)


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


def test_tensorflow_stays_out_of_the_server():
    code = (
        "import sys\nfrom spinefrac.inference import gradcam\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
