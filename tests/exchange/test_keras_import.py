"""Keras files from elsewhere are built without their weights first, then wrapped."""

import json

import h5py
import numpy as np
import pytest

from spinefrac.errors import ModelError
from spinefrac.exchange import keras_import
from spinefrac.exchange.io_spec import DeclaredIO, resolve

SIDE = 32


def build_network(*, nested: bool = False, sequential: bool = False):
    import keras
    from keras import layers

    parts = [
        layers.Rescaling(1 / 255),
        layers.Conv2D(3, 5, strides=4, activation="relu"),
        layers.BatchNormalization(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(1, activation="sigmoid"),
    ]
    if sequential:
        return keras.Sequential([keras.Input((SIDE, SIDE, 1)), *parts])
    image = x = keras.Input((SIDE, SIDE, 1))
    for part in parts:
        x = part(x)
    model = keras.Model(image, x)
    if not nested:
        return model
    outer = keras.Input((SIDE, SIDE, 1))
    return keras.Model(outer, model(outer))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("shape", [{}, {"nested": True}, {"sequential": True}])
def test_networks_of_every_shape_are_built(tmp_path, suffix, shape):
    model = build_network(**shape)
    path = tmp_path / f"network{suffix}"
    model.save(path)
    network = keras_import.load_network(path)
    images = np.random.default_rng(0).uniform(0, 255, (4, SIDE, SIDE, 1)).astype(np.float32)
    np.testing.assert_allclose(network.model(images), model(images), atol=1e-6)
    assert network.units == 1
    assert network.file_io == DeclaredIO(
        size=SIDE, channels=1, scale="0..255", output="sigmoid", positive_class=None
    )


def test_a_configuration_of_keras_2_is_built():
    """As ``model.save`` of Keras 2 wrote it: no modules, ``batch_input_shape``, old nodes."""
    config = {
        "class_name": "Functional",
        "config": {
            "name": "model",
            "layers": [
                {
                    "class_name": "InputLayer",
                    "config": {
                        "batch_input_shape": [None, SIDE, SIDE, 1],
                        "dtype": "float32",
                        "name": "input_1",
                    },
                    "name": "input_1",
                    "inbound_nodes": [],
                },
                {
                    "class_name": "Conv2D",
                    "config": {"name": "conv2d", "filters": 2, "kernel_size": [3, 3]},
                    "name": "conv2d",
                    "inbound_nodes": [[["input_1", 0, 0, {}]]],
                },
                {
                    "class_name": "GlobalAveragePooling2D",
                    "config": {"name": "pool"},
                    "name": "pool",
                    "inbound_nodes": [[["conv2d", 0, 0, {}]]],
                },
            ],
            "input_layers": [["input_1", 0, 0]],
            "output_layers": [["pool", 0, 0]],
        },
    }
    model = keras_import._model_from_config(config)
    assert tuple(model.inputs[0].shape) == (None, SIDE, SIDE, 1)
    assert tuple(model.outputs[0].shape) == (None, 2)
    assert model.count_params() == 3 * 3 * 2 + 2


def test_declared_weights_that_are_not_in_the_file_are_never_allocated(tmp_path, monkeypatch):
    """A file of a few kilobytes declares 1 GiB of weights."""
    import keras

    path = tmp_path / "large.h5"
    build_network(sequential=True).save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for units in (1 << 14, 1 << 14):
            dense = {"module": "keras.layers", "class_name": "Dense", "config": {"units": units}}
            config["config"]["layers"].append(dense)
        file.attrs["model_config"] = json.dumps(config)
    allocated = []
    monkeypatch.setattr(
        keras.initializers.GlorotUniform,
        "__call__",
        lambda self, shape, dtype=None: allocated.append(shape) or np.zeros(1, np.float32),
    )
    with pytest.raises(ModelError, match=r"268\d+ weights and its file holds \d{2,3}:"):
        keras_import.load_network(path)
    with keras.StatelessScope():
        pass  # its end initializes every variable that waits for a value
    assert not allocated


@pytest.mark.parametrize(
    ("output", "values", "expected"),
    [
        ("sigmoid", [[0.25]], np.log(0.25 / 0.75)),
        ("softmax", [[0.2, 0.8]], np.log(4)),
        ("logits", [[-1.5]], -1.5),
        ("logits", [[1.0, 3.5]], 2.5),
    ],
)
@pytest.mark.parametrize("positive_class", [0, 1])
def test_every_output_becomes_a_logit_of_fracture(output, values, expected, positive_class):
    declared = DeclaredIO(SIDE, 1, "0..255", output, positive_class)
    spec = resolve(DeclaredIO(), len(values[0]), declared)
    sign = 1 if positive_class else -1
    assert keras_import.to_logits(np.array(values), spec) == pytest.approx([sign * expected])


def test_images_are_scaled_as_the_network_was_trained():
    declared = DeclaredIO(SIDE, 3, "imagenet", "sigmoid", 1)
    scaled = keras_import.scale_inputs(
        np.full((2, SIDE, SIDE, 1), 255, np.uint8), resolve(DeclaredIO(), 1, declared)
    )
    assert scaled.shape == (2, SIDE, SIDE, 3) and scaled.dtype == np.float32
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(scaled[0, 0, 0], (1 - mean) / deviation, rtol=1e-5)
