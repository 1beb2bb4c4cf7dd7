"""Configurations of Keras 2 in legacy HDF5 files, rewritten so that Keras 3 builds them.

Keras 3 refuses what its layers no longer take, even where it has the value that it always had.
Only what changes nothing is dropped or renamed; what is left makes Keras refuse the file.
"""

from __future__ import annotations

import inspect
from typing import Any

#: Values of an argument that Keras 3 does not know, with which it changed nothing.
_WITHOUT_EFFECT: tuple[Any, ...] = (None, False, 1, "float32", "stateful", [], {})
#: Arguments without an effect on what a layer computes.
_HARMLESS = frozenset({"fused", "ragged", "sparse", "rng_type", "batch_input_shape"})
#: Arguments of every layer that stand in no constructor.
_COMMON = frozenset({"name", "trainable", "dtype", "activity_regularizer"})

#: Functions of TensorFlow that Keras 2 kept as layers, and the layer that does the same.
_ACTIVATIONS = {
    "nn.relu": "relu",
    "nn.relu6": "relu6",
    "nn.sigmoid": "sigmoid",
    "math.sigmoid": "sigmoid",
    "nn.softmax": "softmax",
    "math.tanh": "tanh",
    "nn.tanh": "tanh",
    "nn.silu": "silu",
    "nn.swish": "silu",
    "identity": "linear",
}
#: Factor and offset of functions of a tensor and a constant `y`.
_ARITHMETIC = {
    "math.truediv": lambda y: (1 / y, 0.0),
    "math.divide": lambda y: (1 / y, 0.0),
    "math.multiply": lambda y: (y, 0.0),
    "math.subtract": lambda y: (1.0, -y),
    "math.add": lambda y: (1.0, y),
    "__operators__.add": lambda y: (1.0, y),
}


def is_keras2(version: Any) -> bool:
    """Whether the attribute ``keras_version`` of a file, maybe missing, is of Keras 2 or older."""
    text = version.decode("utf-8", "replace") if isinstance(version, bytes) else str(version or "")
    return not text.startswith("3")


def upgrade(config: Any) -> Any:
    """Return a configuration without what Keras 3 refuses for no reason.

    Parameters
    ----------
    config : object
        Parsed JSON; it is not changed.

    Returns
    -------
    object
        Equal to `config` where there is nothing to change.
    """
    if isinstance(config, list):
        return [upgrade(entry) for entry in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "Sequential":
        config = {**config, "config": _add_input(config["config"])}
    upgraded = {key: upgrade(value) for key, value in config.items()}
    if upgraded.get("class_name") == "BatchNormalizationV1":
        upgraded["class_name"] = "BatchNormalization"
    if isinstance(upgraded.get("config"), dict) and "class_name" in upgraded:
        if upgraded["class_name"] == "Policy":
            return upgraded["config"].get("name", "float32")
        if upgraded["class_name"] == "TFOpLambda":
            return _replace_function(upgraded)
        upgraded["config"] = _drop_unknown(str(upgraded["class_name"]), upgraded["config"])
    return _rewire(upgraded) if "output_layers" in upgraded else upgraded


def _add_input(config: Any) -> Any:
    """Return the configuration of a sequential network with an input layer of its own."""
    config = {"name": "sequential", "layers": config} if isinstance(config, list) else config
    first = config["layers"][0]
    shape = first["config"].get("batch_input_shape")
    if shape is None or first["class_name"] == "InputLayer":
        return config
    source = {"name": f"{first['config']['name']}_input", "batch_shape": shape}
    return {
        **config,
        "layers": [{"class_name": "InputLayer", "config": source}, *config["layers"]],
    }


def _drop_unknown(class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a layer or initializer without those that are gone."""
    import keras

    kind = getattr(keras.layers, class_name, None) or getattr(keras.initializers, class_name, None)
    if not inspect.isclass(kind):
        return config
    if class_name == "InputLayer" and "batch_input_shape" in config:
        config = {**config, "batch_shape": config["batch_input_shape"]}
    axis = config.get("axis")
    if isinstance(axis, list) and len(axis) == 1:
        config = {**config, "axis": axis[0]}
    parameters = inspect.signature(kind.__init__).parameters
    passed_on = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    accepted = set(parameters) | (_COMMON if passed_on else set())
    return {
        key: value
        for key, value in config.items()
        if key in accepted or not (_is_harmless(key) or value in _WITHOUT_EFFECT)
    }


def _is_harmless(argument: str) -> bool:
    """Whether an argument changes nothing in a network that has its weights."""
    return argument in _HARMLESS or argument.endswith("_initializer")


def _rewire(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a network whose tensors are named as Keras 3 names them.

    Keras 2 counted the calls of a nested network from one, and wrote a single input or output as
    a list.
    """
    layers = config["layers"]
    nested = {entry["name"] for entry in layers if "layers" in entry.get("config", {})}

    def renumber(tensor: list[Any]) -> list[Any]:
        name, call, *rest = tensor
        return [name, call - 1 if name in nested and call else call, *rest]

    def rename(tensors: list[Any]) -> list[Any]:
        named = [renumber(tensor) for tensor in tensors]
        return named[0] if len(named) == 1 else named

    return {
        **config,
        "layers": [
            {
                **entry,
                "inbound_nodes": [
                    [renumber(tensor) for tensor in call] for call in entry["inbound_nodes"]
                ],
            }
            for entry in layers
        ],
        "input_layers": rename(config["input_layers"]),
        "output_layers": rename(config["output_layers"]),
    }


def _replace_function(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the layer that computes a function of TensorFlow, or the entry where none does."""
    function = entry["config"].get("function")
    nodes = entry.get("inbound_nodes") or []
    if len(nodes) != 1 or len(nodes[0]) != 4:
        return entry
    source, arguments = nodes[0][:3], nodes[0][3]
    constants = {key: value for key, value in arguments.items() if key != "name"}
    if function in _ACTIVATIONS and not any(constants.values()):
        kind, config = "Activation", {"activation": _ACTIVATIONS[function]}
    elif function in _ARITHMETIC and isinstance(constants.get("y"), int | float):
        scale, offset = _ARITHMETIC[function](constants["y"])
        kind, config = "Rescaling", {"scale": scale, "offset": offset}
    else:
        return entry
    return {
        "class_name": kind,
        "config": {"name": entry["name"], **config},
        "name": entry["name"],
        "inbound_nodes": [[[*source, {}]]],
    }
