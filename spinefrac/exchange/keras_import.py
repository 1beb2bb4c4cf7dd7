"""Keras networks of other tools: verified, and wrapped in this package's input and output."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spinefrac.errors import ModelError
from spinefrac.exchange import validation
from spinefrac.exchange.io_spec import DeclaredIO, IOSpec
from spinefrac.exchange.networks import keras_files, output_form
from spinefrac.exchange.networks.keras_graph import detect_input_scale, detect_output_form
from spinefrac.exchange.networks.output_form import EPSILON, OutputForm

if TYPE_CHECKING:
    import keras

#: Largest accepted output of one layer for one slice, in values: 1 GiB of 32-bit floats.
_MAX_LAYER_VALUES = 1 << 28


@dataclass(frozen=True)
class KerasNetwork:
    """A Keras network with `units` output values for a slice, and what its file says about it."""

    model: keras.Model
    units: int
    file_io: DeclaredIO


def load_network(path: Path) -> KerasNetwork:
    """Verify a ``.keras`` or ``.h5`` file by its declarations, then build its network.

    Raises
    ------
    ModelError
        It is not a Keras file, holds something that is not accepted, or has another input or
        output than a network for slices.
    """
    model = _load_verified(path)
    _check_input_and_output(model)
    units = int(model.outputs[0].shape[1])
    form = detect_output_form(model) if units in (1, 2) else None
    file_io = DeclaredIO(
        size=model.inputs[0].shape[1],
        channels=model.inputs[0].shape[3],
        scale=detect_input_scale(model),
        output=form.activation if form else None,
    )
    return KerasNetwork(model, units, file_io)


def load_fold_weights(path: Path, prefix: str) -> list[list[np.ndarray]]:
    """Verify a file as `load_network` does; return the weights of the fold networks in it.

    The name of a fold's layer begins with `prefix`. Backbones that the folds share are layers
    before them, and their weights the first of each fold.

    Raises
    ------
    ModelError
        It is not a Keras file, or holds something that is not accepted.
    """
    layers = _load_verified(path).layers
    folds = [layer for layer in layers if layer.name.startswith(prefix)]
    shared = [w for layer in layers if layer not in folds for w in layer.get_weights()]
    return [[*shared, *fold.get_weights()] for fold in folds]


def _load_verified(path: Path) -> keras.Model:
    """Build the network of a file whose declarations are accepted."""
    is_h5 = keras_files.detect_format(path) == "h5"
    _check_weight_count(path, (validation.check_h5 if is_h5 else validation.check_keras)(path))
    return keras_files.load(path)


def _check_input_and_output(model: keras.Model) -> None:
    """Refuse all but one input (N, S, S, 1 or 3) and one output (N, units)."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"The network has {len(model.inputs)} inputs and {len(model.outputs)} outputs, "
            "expected one of each: save the classifier alone"
        )
    shape, output = tuple(model.inputs[0].shape), tuple(model.outputs[0].shape)
    if len(shape) != 4 or shape[3] not in (1, 3) or shape[1] != shape[2]:
        raise ModelError(
            f"The network takes inputs of shape {shape}, expected (N, S, S, 1 or 3), a square with "
            "channels last: save it for such inputs"
        )
    if len(output) != 2 or output[1] is None:
        raise ModelError(
            f"The network returns shape {output}, expected (N, 1) or (N, 2): end it with a dense "
            "layer"
        )


def _check_weight_count(path: Path, stored: int) -> None:
    """Build the network without its weights, and compare what it declares with the file.

    In a stateless scope Keras records the shape of each weight and allocates none of them.
    """
    import keras

    config = keras_files.read_config(path)
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
            f"The network declares {declared} weights and its file holds {stored}: the file is "
            "damaged or does not match its declaration; it is not imported"
        )
    if largest > _MAX_LAYER_VALUES:
        raise ModelError(
            f"A layer of the network returns {largest} values for one slice, expected at most "
            f"{_MAX_LAYER_VALUES}: it is not imported"
        )


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


def to_logits(values: np.ndarray, io_spec: IOSpec) -> np.ndarray:
    """Turn the outputs of a network (N, units) into logits of fracture, float64 (N,)."""
    form = OutputForm(io_spec.units, is_probability=io_spec.output != "logits")
    sign = 1.0 if io_spec.positive_class else -1.0
    return sign * output_form.to_logits(values, form)


def scale_inputs(images: np.ndarray, io_spec: IOSpec) -> np.ndarray:
    """Scale images (N, S, S, 1) in 0…255 to the network's input, float32 (N, S, S, C)."""
    factors, offsets = np.array(io_spec.factors, np.float32), np.array(io_spec.offsets, np.float32)
    scaled = images.astype(np.float32) * factors + offsets
    return np.broadcast_to(scaled, (*images.shape[:3], io_spec.channels)).copy()


def wrap_network(network: KerasNetwork, io_spec: IOSpec) -> tuple[keras.Model, keras.Model]:
    """Wrap a network in this package's input and output.

    Returns
    -------
    probability_model : keras.Model
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
    # A dense layer with fixed weights is an exact sum or difference and exports to ONNX.
    sign = 1.0 if io_spec.positive_class else -1.0
    weights = [[sign]] if io_spec.units == 1 else [[-sign], [sign]]
    to_logit = layers.Dense(1, use_bias=False, name="logit", trainable=False, dtype="float32")
    logit = to_logit(values)
    to_logit.set_weights([np.array(weights, np.float32)])
    probability_model = keras.Model(
        image, layers.Activation("sigmoid", name="probability")(logit), name="imported"
    )
    serving = keras.Model(image, {"logits": layers.Identity(name="logits")(logit)}, name="serving")
    return probability_model, serving


def _collapse_equal(values: list[float]) -> float | list[float]:
    """Return one value where all are equal, as `Rescaling` shows it in a summary."""
    return values[0] if len(set(values)) == 1 else values


def _remove_final_activation(model: keras.Model) -> bool:
    """Make a final sigmoid or softmax linear, which saves digits; return whether there was one."""
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

    p = ops.clip(values, EPSILON, 1 - EPSILON)
    logs = ops.log(p)
    return logs if units == 2 else ops.subtract(logs, ops.log(ops.subtract(1.0, p)))
