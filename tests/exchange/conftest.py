"""The same homes and saved models as in the tests of `spinefrac.store`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spinefrac.exchange import import_model, verification_slices
from tests.store.conftest import home, new_model, saved_model
from tests.support.onnx_network import SIDE, onnx_network

__all__ = ["home", "new_model", "saved_model"]


@pytest.fixture
def small_model(small, monkeypatch):
    """A model that needs no TensorFlow, in a home that is in force."""
    monkeypatch.setenv("SPINEFRAC_HOME", str(small.path.parents[1]))
    return small


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Another home, in force once this is called; returns its models folder."""

    def switch() -> Path:
        monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "elsewhere"))
        return tmp_path / "elsewhere" / "models"

    return switch


@pytest.fixture
def own_home(tmp_path, monkeypatch) -> Path:
    """An empty home of the test's own, in force."""
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def nothing_left():
    """Tell whether a home has no model and no unfinished folder."""

    def check(home: Path) -> bool:
        models = home / "models"
        return not models.exists() or {path.name for path in models.iterdir()} <= {".lock"}

    return check


@pytest.fixture
def predict_slices():
    """Return the probabilities of a saved model for the synthetic slices."""
    from spinefrac.inference import predictor

    def predict(name: str) -> np.ndarray:
        slices = verification_slices.render_slices()
        found = predictor.get_predictor(name).predict_many(slices)
        return np.array([prediction.probability for prediction in found])

    return predict


@pytest.fixture(scope="session")
def networks():
    """Keras networks by name, with the channels they take and how their last layer ends."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(5)

    def network(channels, rescale, *end):
        image = keras.Input((SIDE, SIDE, channels))
        x = layers.Rescaling(1 / 255)(image) if rescale else image
        x = layers.Conv2D(6, 5, strides=2, activation="relu")(x)
        x = layers.BatchNormalization()(x)
        x = layers.Flatten()(layers.MaxPooling2D(4)(layers.Dropout(0.2)(x)))
        for layer in end:
            x = layer(x)
        return keras.Model(image, x)

    def dense(units, activation=None):
        return layers.Dense(units, activation=activation, bias_initializer="random_normal")

    return {
        "sigmoid": network(1, True, dense(1, "sigmoid")),
        "softmax": network(3, False, dense(2), layers.Activation("softmax")),
        "logits": network(3, False, dense(2)),
    }


@pytest.fixture(scope="session")
def files(networks, tmp_path_factory):
    """The same networks as files."""
    folder = tmp_path_factory.mktemp("foreign")
    for name, model in networks.items():
        model.save(folder / f"{name}.keras")
    networks["sigmoid"].save(folder / "legacy.h5")
    (folder / "plain.onnx").write_bytes(onnx_network().SerializeToString())
    return folder


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """The synthetic slices as such a network sees them, 0…255, float64 (16, SIDE, SIDE, 1)."""
    preprocessing = replace(import_model.DEFAULT_PREPROCESSING, size=SIDE)
    return verification_slices.render_inputs(preprocessing)[..., None] * 1.0
