"""Keras networks from elsewhere: built after they were looked at, and given this package's
input and output."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spinefrac.errors import ModelError
from spinefrac.exchange import validation
from spinefrac.exchange.io_spec import DeclaredIO, IOSpec

if TYPE_CHECKING:
    import keras

#: Most values that one layer may give for one slice: 1 GiB of 32-bit floats.
_MAX_LAYER_VALUES = 1 << 28

_EPSILON = 1e-7


@dataclass(frozen=True)
class KerasNetwork:
    """A Keras network and what its file says of it; `units` values a slice."""

    model: keras.Model
    units: int
    file_io: DeclaredIO


def load_network(path: Path) -> KerasNetwork:
    """Look at a ``.keras`` or ``.h5`` file, then build it.

    Raises
    ------
    ModelError
        It is none, holds something that is not let through, or takes or gives something else
        than a network for slices.
    """
    held = (
        validation.check_h5(path)
        if path.suffix in validation.HDF5_SUFFIXES
        else validation.check_keras(path)
    )
    _check_weight_count(path, held)
    model = _load_model(path)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"The network has {len(model.inputs)} inputs and {len(model.outputs)} outputs, "
            "expected one of each: save the classifier alone"
        )
    shape, output = tuple(model.inputs[0].shape), tuple(model.outputs[0].shape)
    if len(shape) != 4 or shape[3] not in (1, 3) or shape[1] != shape[2]:
        raise ModelError(
            f"The network takes inputs of {shape}, expected (slices, S, S, 1 or 3), a square with "
            "channels last: save it for such inputs"
        )
    if len(output) != 2 or output[1] is None:
        raise ModelError(
            f"The network gives {output}, expected (slices, 1) or (slices, 2): end it with a "
            "dense layer"
        )
    found = DeclaredIO(
        size=shape[1],
        channels=shape[3],
        scale=_detect_input_scale(model),
        output=_detect_output_activation(model, int(output[1])),
    )
    return KerasNetwork(model, int(output[1]), found)


def _load_model(path: Path) -> keras.Model:
    import keras

    return keras.models.load_model(path, compile=False, safe_mode=True)


def _check_weight_count(path: Path, stored: int) -> None:
    """Build the network without its weights, and compare what it declares with the file.

    In a stateless scope Keras records the shape of each weight and allocates none of them.
    """
    import keras

    config = _read_config(path)
    try:
        with keras.StatelessScope(initialize_variables=False):
            model = _model_from_config(config)
            declared = sum(
                math.prod(weight.shape) for weight in model.weights if "float" in weight.dtype
            )
            largest = max(
                (_count_output_values(layer) for layer in _flatten_layers(model)), default=0
            )
    finally:
        # Keras keeps a list of the variables without values and would initialize them later.
        keras.utils.clear_session(free_memory=False)
    if declared > stored:
        raise ModelError(
            f"The network asks for {declared} weights and its file holds {stored}: the file is "
            "damaged or not what it says; it is not imported"
        )
    if largest > _MAX_LAYER_VALUES:
        raise ModelError(
            f"A layer of the network makes {largest} values of one slice, expected at most "
            f"{_MAX_LAYER_VALUES}: it is not imported"
        )


def _read_config(path: Path) -> dict[str, Any]:
    import json
    import zipfile

    if path.suffix in validation.HDF5_SUFFIXES:
        import h5py

        with h5py.File(path, "r") as file:
            return dict(json.loads(file.attrs["model_config"]))
    with zipfile.ZipFile(path) as archive:
        return dict(json.loads(archive.read("config.json")))


def _model_from_config(config: dict[str, Any]) -> keras.Model:
    """Build a network from its configuration in a ``.keras`` file or in a legacy HDF5 file."""
    import keras

    if "module" in config:
        config = {key: value for key, value in config.items() if key != "compile_config"}
        return keras.saving.deserialize_keras_object(config, safe_mode=True)
    model_class = keras.Sequential if config["class_name"] == "Sequential" else keras.Model
    return model_class.from_config(config["config"])


def _flatten_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Return every layer, also those of networks within the network."""
    found = []
    for layer in getattr(model, "layers", []):
        found.append(layer)
        found += _flatten_layers(layer)
    return found


def _count_output_values(layer: keras.layers.Layer) -> int:
    """Return the number of output values of a layer for one slice, 0 where it is not known."""
    try:
        shapes = layer.output
    except (AttributeError, ValueError):
        return 0
    tensors = shapes if isinstance(shapes, list | tuple) else [shapes]
    return max((math.prod(size or 1 for size in tensor.shape[1:]) for tensor in tensors), default=0)


def _detect_input_scale(model: keras.Model) -> str | None:
    """Return the grey values the network takes where its own first layer says so."""
    import keras

    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    source = model.inputs[0]
    takers = [layer for layer in layers if _consumes(layer, source)] or layers[:1]
    if len(takers) != 1:
        return None
    first = takers[0]
    if isinstance(first, keras.Model) and len(first.inputs) == 1:
        return _detect_input_scale(first)
    if isinstance(first, keras.layers.Rescaling):
        factor = np.asarray(first.scale, np.float64)
        # Only 0…255 is ever brought down a hundredfold.
        return "0..255" if (factor < 0.01).all() and (factor > 0).all() else None
    return None


def _consumes(layer: keras.layers.Layer, source: Any) -> bool:
    try:
        taken = layer.input
    except (AttributeError, ValueError):
        return False
    return any(entry is source for entry in (taken if isinstance(taken, list) else [taken]))


def _detect_output_activation(model: keras.Model, units: int) -> str | None:
    """Return the form of the output where the last layer says so."""
    import keras

    last = model.layers[-1]
    if isinstance(last, keras.Model):
        return _detect_output_activation(last, units)
    if isinstance(last, keras.layers.Softmax):
        return "softmax" if units == 2 else None
    activation = getattr(getattr(last, "activation", None), "__name__", None)
    if activation == "sigmoid" and units == 1:
        return "sigmoid"
    if activation == "softmax" and units == 2:
        return "softmax"
    if activation == "linear" and isinstance(last, keras.layers.Dense):
        return "logits"
    return None


def to_logits(values: np.ndarray, io_spec: IOSpec) -> np.ndarray:
    """Turn what a network gave, (N, units), into logits of fracture, float64 (N,)."""
    values = np.asarray(values, np.float64).reshape(-1, io_spec.units)
    if io_spec.output != "logits":
        clipped = np.clip(values, _EPSILON, 1 - _EPSILON)
        values = np.log(clipped)
        if io_spec.units == 1:
            values = values - np.log1p(-clipped)
    sign = 1.0 if io_spec.positive_class else -1.0
    return sign * (values[:, 0] if io_spec.units == 1 else values[:, 1] - values[:, 0])


def scale_inputs(images: np.ndarray, io_spec: IOSpec) -> np.ndarray:
    """Bring images (N, S, S, 1) in 0…255 into what the network takes, float32 (N, S, S, C)."""
    factors, offsets = np.array(io_spec.factors, np.float32), np.array(io_spec.offsets, np.float32)
    scaled = images.astype(np.float32) * factors + offsets
    return np.broadcast_to(scaled, (*images.shape[:3], io_spec.channels)).copy()


def wrap_network(network: KerasNetwork, io_spec: IOSpec) -> tuple[keras.Model, keras.Model]:
    """Put this package's input and output around a network.

    Returns
    -------
    people : keras.Model
        Input ``image`` (N, S, S, 1) in 0…255; output ``probability`` (N, 1); its layer
        ``logit`` gives the value before the sigmoid.
    serving : keras.Model
        The same input; output ``logits`` (N, 1).
    """
    import keras
    from keras import layers

    image = keras.Input((io_spec.size, io_spec.size, 1), name="image")
    x = (
        layers.Concatenate(name="channels")([image] * io_spec.channels)
        if io_spec.channels > 1
        else image
    )
    if io_spec.scale != "0..255":
        x = layers.Rescaling(
            _collapse_equal(io_spec.factors), _collapse_equal(io_spec.offsets), name="greys"
        )(x)
    linear = io_spec.output == "logits" or _remove_final_activation(network.model)
    values = network.model(x)
    if not linear:
        values = _log_probabilities(values, io_spec.units)
    # An exact sum or difference, which exports as any dense layer does.
    sign = 1.0 if io_spec.positive_class else -1.0
    weights = [[sign]] if io_spec.units == 1 else [[-sign], [sign]]
    towards = layers.Dense(1, use_bias=False, name="logit", trainable=False, dtype="float32")
    logit = towards(values)
    towards.set_weights([np.array(weights, np.float32)])
    people = keras.Model(
        image, layers.Activation("sigmoid", name="probability")(logit), name="imported"
    )
    serving = keras.Model(image, {"logits": layers.Identity(name="logits")(logit)}, name="serving")
    return people, serving


def _collapse_equal(values: list[float]) -> float | list[float]:
    return values[0] if len(set(values)) == 1 else values


def _remove_final_activation(model: keras.Model) -> bool:
    """Take the final sigmoid or softmax off, so that no digit is lost in it; say whether."""
    import keras

    last = model.layers[-1]
    if isinstance(last, keras.Model):
        return False
    name = getattr(getattr(last, "activation", None), "__name__", None)
    if name not in ("sigmoid", "softmax"):
        return False
    last.activation = keras.activations.linear
    return True


def _log_probabilities(values: Any, units: int) -> Any:
    """Turn probabilities into logarithms whose sum or difference is the logit."""
    from keras import ops

    p = ops.clip(values, _EPSILON, 1 - _EPSILON)
    logs = ops.log(p)
    return logs if units == 2 else ops.subtract(logs, ops.log(ops.subtract(1.0, p)))
