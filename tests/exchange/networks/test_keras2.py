"""HDF5 files of Keras 2 are rebuilt with the same outputs, whatever its versions wrote."""

import json

import h5py
import numpy as np
import pytest

from spinefrac.exchange.networks import keras2, keras_files

SIDE = 16


def rewrite(model, path, change) -> None:
    """Save a model as Keras 2 would have: the legacy format, with `change` on its configuration."""
    model.save(path)
    with h5py.File(path, "r+") as file:
        config = to_keras2(json.loads(file.attrs["model_config"]))
        file.attrs["model_config"] = json.dumps(change(config) or config)
        file.attrs["keras_version"] = "2.15.0"


def to_keras2(value):
    """Return a configuration without what Keras 3 added to that of Keras 2."""
    if isinstance(value, list):
        return [to_keras2(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == "DTypePolicy":
        name = value["config"]["name"]
        policy = {"class_name": "Policy", "config": {"name": name}}
        return name if name == "float32" else policy
    dropped = ("module", "registered_name", "build_config", "optional", "quantization_config")
    changed = {key: to_keras2(entry) for key, entry in value.items() if key not in dropped}
    if "batch_shape" in changed:
        changed["batch_input_shape"] = changed.pop("batch_shape")
    return changed


def each_layer(config):
    for entry in config["config"]["layers"]:
        yield entry
        if "layers" in entry["config"]:
            yield from each_layer(entry)


def check(model, path) -> None:
    images = np.random.default_rng(0).uniform(0, 255, (3, *model.input_shape[1:]))
    images = images.astype(np.float32)
    loaded = keras_files.load(path)
    assert loaded.input_shape == model.input_shape
    got, want = loaded(images, training=False), model(images, training=False)
    np.testing.assert_allclose(got, want, atol=1e-5)


def build_sequential():
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            layers.RandomFlip(),
            layers.DepthwiseConv2D(3),
            layers.Conv2DTranspose(4, 3),
            layers.SeparableConv2D(4, 3),
            layers.BatchNormalization(),
            layers.LayerNormalization(),
            layers.SpatialDropout2D(0.1),
            layers.Flatten(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def test_arguments_that_are_gone_are_left_out(tmp_path) -> None:
    def change(config):
        extra = {
            "DepthwiseConv2D": {"groups": 1},
            "Conv2DTranspose": {"groups": 1},
            "SeparableConv2D": {"groups": 1, "kernel_initializer": {"class_name": "Zeros"}},
            "BatchNormalization": {"axis": [3], "fused": True, "renorm": False},
            "SpatialDropout2D": {"noise_shape": None, "trainable": True},
            "RandomFlip": {"rng_type": "stateful"},
            "InputLayer": {"ragged": False, "sparse": False},
            "Dense": {"kernel_initializer": initializer},
        }
        for entry in each_layer(config):
            entry["config"].update(extra.get(entry["class_name"], {}))

    initializer = {"class_name": "GlorotUniform", "config": {"seed": None, "dtype": "float32"}}
    model = build_sequential()
    rewrite(model, tmp_path / "old.h5", change)
    check(model, tmp_path / "old.h5")


def test_a_list_of_layers_and_the_input_in_the_first_of_them(tmp_path) -> None:
    """As the first versions of Keras in TensorFlow wrote it."""

    def change(config):
        first, *layers = config["config"]["layers"]
        layers[0]["config"]["batch_input_shape"] = first["config"]["batch_input_shape"]
        for entry in layers:
            if entry["class_name"] == "BatchNormalization":
                entry["class_name"] = "BatchNormalizationV1"
        return {"class_name": "Sequential", "config": layers}

    model = build_sequential()
    rewrite(model, tmp_path / "old.h5", change)
    check(model, tmp_path / "old.h5")


def test_mixed_precision_and_nested_networks(tmp_path) -> None:
    """A backbone within a functional model: Keras 2 counted its calls from one."""
    import keras
    from keras import layers

    inner = keras.Input((SIDE, SIDE, 1))
    features = layers.Conv2D(3, 3, dtype="mixed_float16")(inner)
    backbone = keras.Model(inner, layers.BatchNormalization()(features), name="backbone")
    image = keras.Input((SIDE, SIDE, 1))
    pooled = layers.GlobalAveragePooling2D()(backbone(image))
    model = keras.Model(image, layers.Dense(2, activation="softmax", dtype="float32")(pooled))

    def change(config):
        def old_nodes(network):
            for entry in network["config"]["layers"]:
                if "layers" in entry["config"]:
                    old_nodes(entry)
                calls = [node["args"] for node in entry["inbound_nodes"]]
                entry["inbound_nodes"] = [
                    [[*old_name(tensor["config"]["keras_history"]), {}] for tensor in call]
                    for call in calls
                ]
            for key in ("input_layers", "output_layers"):
                network["config"][key] = [network["config"][key]]

        def old_name(history):
            name, call, tensor = history
            return [name, call + (name == "backbone"), tensor]

        old_nodes(config)

    rewrite(model, tmp_path / "old.h5", change)
    check(model, tmp_path / "old.h5")


@pytest.mark.parametrize(
    ("function", "arguments", "kind", "settings"),
    [
        ("math.truediv", {"y": 4.0, "name": None}, "Rescaling", {"scale": 0.25, "offset": 0.0}),
        ("math.subtract", {"y": 1.0}, "Rescaling", {"scale": 1.0, "offset": -1.0}),
        ("math.sigmoid", {"name": None}, "Activation", {"activation": "sigmoid"}),
    ],
)
def test_functions_of_tensorflow_become_layers(function, arguments, kind, settings) -> None:
    entry = {
        "class_name": "TFOpLambda",
        "name": "tf.op",
        "config": {"name": "tf.op", "function": function},
        "inbound_nodes": [["input_1", 0, 0, arguments]],
    }
    upgraded = keras2.upgrade(entry)
    assert upgraded["class_name"] == kind
    assert upgraded["config"] == {"name": "tf.op", **settings}
    assert upgraded["inbound_nodes"] == [[["input_1", 0, 0, {}]]]
    unknown = entry | {"config": {"name": "tf.op", "function": "image.resize"}}
    assert keras2.upgrade(unknown) == unknown


def test_what_changes_something_is_kept() -> None:
    entry = {"class_name": "DepthwiseConv2D", "config": {"name": "d", "groups": 4}}
    assert keras2.upgrade(entry) == entry
    assert keras2.is_keras2(None) and keras2.is_keras2(b"2.4.0") and not keras2.is_keras2("3.1")
