"""The fold models as one Keras model for people and one ONNX file for serving.

Only built-in layers are used, so that ``model.keras`` opens with plain
``keras.models.load_model`` in its safe mode, without this package.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spinefrac.errors import ModelError
from spinefrac.exchange.networks import feature_outputs, onnx_scaling
from spinefrac.records import GreyImage

if TYPE_CHECKING:
    import keras

#: Largest accepted difference of a logit between Keras and ONNX Runtime.
LOGIT_TOLERANCE = 1e-3

#: Largest accepted difference of a feature, in its standard deviations over the slices.
_FEATURE_TOLERANCE = 0.02

#: Slices that features are computed of at once.
_BATCH = 16

#: Prefix of the name of each fold's network within the ensemble, before its number.
FOLD_PREFIX = "fold_"


def build_probability_model(fold_models: Sequence[keras.Model]) -> keras.Model:
    """Join the folds to the model that ``model.keras`` holds.

    Parameters
    ----------
    fold_models : sequence of keras.Model
        Each with input ``image`` (N, S, S, 1) in 0…255 and outputs [logit (N, 1), heat map
        (N, h, w)].

    Returns
    -------
    keras.Model
        Input ``image``; output ``probability`` (N, 1) = sigmoid(mean of the fold logits).
        Backbones that the folds share are layers of their own, before those of the folds.
        Its layer ``logit`` gives that mean before the sigmoid.
    """
    import keras

    image = keras.Input(fold_models[0].inputs[0].shape[1:], name="image")
    logits = _call_folds([build_logit_model(model) for model in fold_models], image)
    logit = _merge_tensors(logits, keras.layers.Average, "logit")
    probability = keras.layers.Activation("sigmoid", name="probability")(logit)
    return keras.Model(image, probability, name="fold_ensemble")


def build_serving_model(fold_models: Sequence[keras.Model]) -> keras.Model:
    """Join the folds to the model that is exported for serving.

    Parameters
    ----------
    fold_models : sequence of keras.Model
        As in `build_probability_model`.

    Returns
    -------
    keras.Model
        Input ``image`` (N, S, S, 1); outputs ``logits`` (N, folds) and ``heatmaps``
        (N, h, w), the latter the mean over the folds. Where `feature_source` has sizes, also
        ``features`` (N, F), for the input check.
    """
    import keras

    image = keras.Input(fold_models[0].inputs[0].shape[1:], name="image")
    maps: list[Any] = []
    outputs = _call_folds(fold_models, image, maps)
    logits = _merge_tensors([logit for logit, _ in outputs], keras.layers.Concatenate, "logits")
    heatmaps = _merge_tensors([heatmap for _, heatmap in outputs], keras.layers.Average, "heatmaps")
    found = {"logits": logits, "heatmaps": heatmaps}
    if maps:
        parts = [feature_outputs.describe_map(one) for one in maps]
        found["features"] = _merge_tensors(parts, keras.layers.Concatenate, "features")
    return keras.Model(image, found, name="serving")


@dataclass(frozen=True, slots=True)
class FeatureSource:
    """What the ``features`` of a serving model come from.

    Attributes
    ----------
    sizes : tuple of int
        Features of each depth, from fine to coarse; empty where the networks give none.
    is_shared : bool
        Whether all folds share the backbone, so that it has learnt from none of the slices.
        Otherwise the features are of fold 0's network, which saw all folds but its own.
    """

    sizes: tuple[int, ...]
    is_shared: bool


def feature_source(fold_models: Sequence[keras.Model]) -> FeatureSource:
    """Return what the features of `build_serving_model` come from."""
    shared = _list_shared_backbones(fold_models)
    source = _feature_network(fold_models[0], shared)
    sizes = tuple(2 * int(one.shape[3]) for one in feature_outputs.list_maps(source))
    return FeatureSource(sizes, bool(shared))


def _feature_network(model: keras.Model, shared: Sequence[str]) -> keras.Model:
    """Return the first shared backbone, or the network before its head."""
    import keras

    if shared:
        return model.get_layer(shared[0])
    return keras.Model(model.inputs[0], _list_maps(model)[0])


def build_logit_model(model: keras.Model) -> keras.Model:
    """Return a fold's network without the heat map; it shares the layers."""
    import keras

    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)


def _call_folds(
    fold_models: Sequence[keras.Model], image: Any, feature_maps: list[Any] | None = None
) -> list[Any]:
    """Return the outputs of every fold's network; backbones that all of them share run once.

    Where `feature_maps` is a list, the maps within the network of `_feature_network` join it.
    """
    import keras

    shared = _list_shared_backbones(fold_models)
    inside: list[Any] = []
    if feature_maps is not None:
        inside = feature_outputs.list_maps(_feature_network(fold_models[0], shared))

    def call(network: keras.Model, given: Any, *, is_first: bool) -> Any:
        if not (is_first and inside):
            return network(given)
        count = len(network.outputs)
        results = keras.Model(network.inputs, [*network.outputs, *inside])(given)
        assert feature_maps is not None
        feature_maps.extend(results[count:])
        return results[:count] if count > 1 else results[0]

    backbones = [fold_models[0].get_layer(name) for name in shared]
    features = [call(backbone, image, is_first=i == 0) for i, backbone in enumerate(backbones)]
    outputs = []
    for index, model in enumerate(fold_models):
        maps = _list_maps(model)
        inner = maps[: len(shared)]
        needs_image = not shared or len(shared) < len(maps)
        inputs = [*model.inputs, *inner] if needs_image else inner
        results = model.outputs if len(model.outputs) > 1 else model.outputs[0]
        rest = keras.Model(
            inputs if len(inputs) > 1 else inputs[0], results, name=f"{FOLD_PREFIX}{index}"
        )
        given = [image, *features] if needs_image else features
        given = given if len(given) > 1 else given[0]
        outputs.append(call(rest, given, is_first=index == 0 and not shared))
    return outputs


def _list_maps(model: keras.Model) -> list[Any]:
    """Return what the backbones of a network give within it, in their order.

    A backbone's own `output` is that of its own graph; the head names its layers ``features…``.
    """
    return [layer.input for layer in model.layers if layer.name.split("_")[0] == "features"]


def _list_shared_backbones(fold_models: Sequence[keras.Model]) -> list[str]:
    """Return the names of the backbones whose weights are equal in all folds.

    Only those that come first: so the weights of a fold's network are those of the shared backbones
    and then its own. A backbone is a model of its own within a network.
    """
    import keras

    shared: list[str] = []
    backbones = [layer for layer in fold_models[0].layers if isinstance(layer, keras.Model)]
    if len(fold_models) == 1 or len(backbones) != len(_list_maps(fold_models[0])):
        return shared
    for backbone in backbones:
        own = backbone.get_weights()
        others = [model.get_layer(backbone.name).get_weights() for model in fold_models[1:]]
        if not all(map(np.array_equal, own * len(others), itertools.chain(*others))):
            break
        shared.append(backbone.name)
    return shared


def _merge_tensors(tensors: list, merge: type, name: str) -> keras.KerasTensor:
    """Merge the tensors of the folds with a layer; those of one fold stay as they are."""
    import keras

    if len(tensors) == 1:
        return keras.layers.Identity(name=name)(tensors[0])
    return merge(name=name)(tensors)


def write_onnx(model: keras.Model, path: Path) -> None:
    """Export a serving model.

    Raises
    ------
    ModelError
        TensorFlow's graph of this network cannot be expressed in ONNX.
    """
    model(np.zeros((1, *model.inputs[0].shape[1:]), np.float32), training=False)
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # tf2onnx probes NumPy for names that NumPy 2 has dropped.
            warnings.simplefilter("ignore")
            model.export(path, format="onnx", verbose=False)
        onnx_scaling.scale_without_channel(path)
    except OSError:
        raise
    except Exception as error:
        raise ModelError(
            "The network cannot be exported to ONNX "
            f"({type(error).__name__}: {_summarize_error(error)}): train one of the built-in "
            "networks"
        ) from error
    finally:
        logger.setLevel(level)


def verify_onnx_export(
    model: keras.Model, keras_path: Path, onnx_path: Path, inputs: GreyImage
) -> float:
    """Compare both written files with each other and with the network in memory.

    Parameters
    ----------
    model : keras.Model
        What was exported, see `build_serving_model`.
    keras_path, onnx_path : Path
        The two files, which are read back.
    inputs : uint8 array, shape (N, S, S)
        Real model inputs.

    Returns
    -------
    float
        Largest absolute difference of a logit, at most `LOGIT_TOLERANCE`.

    Raises
    ------
    ModelError
        A logit or a heat map differs by more than `LOGIT_TOLERANCE`, or ONNX Runtime refuses the
        file.
    """
    images = inputs[..., None].astype(np.float32)
    expected = {name: np.asarray(value) for name, value in model(images, training=False).items()}
    found = run_onnx(onnx_path, images)
    logits, heatmaps = found["logits"], found["heatmaps"]
    if logits.shape != expected["logits"].shape or heatmaps.shape != expected["heatmaps"].shape:
        raise ModelError(
            f"The ONNX export returns shapes {logits.shape} and {heatmaps.shape}, expected "
            f"{expected['logits'].shape} and {expected['heatmaps'].shape}: nothing was saved; "
            "train another network"
        )
    logit_difference = max(
        float(np.abs(logits - expected["logits"]).max()),
        float(np.abs(logits.mean(axis=1) - _run_keras(keras_path, images)).max()),
    )
    heatmap_difference = _max_heatmap_difference(heatmaps, expected["heatmaps"])
    # Written so that NaN fails as well.
    if not (logit_difference <= LOGIT_TOLERANCE and heatmap_difference <= LOGIT_TOLERANCE):
        raise ModelError(
            f"ONNX Runtime and Keras differ by {logit_difference:.2g} in the logits and "
            f"{heatmap_difference:.2g} in the heat maps, expected at most {LOGIT_TOLERANCE:g}: "
            "nothing was saved; train another network or check that the loss was finite"
        )
    if "features" in expected:
        _check_features(found["features"], expected["features"])
    return logit_difference


def _check_features(features: np.ndarray, expected: np.ndarray) -> None:
    """Refuse features that differ by more than rounding, in units of their own spread."""
    spread = np.maximum(expected.std(axis=0), 0.01 * np.abs(expected).max(initial=1e-6))
    difference = float(np.abs((features - expected) / spread).max())
    if not difference <= _FEATURE_TOLERANCE:
        raise ModelError(
            f"ONNX Runtime and Keras differ by {difference:.2g} standard deviations in the "
            f"features for the input check, expected at most {_FEATURE_TOLERANCE:g}: nothing was "
            "saved; train another network"
        )


def _max_heatmap_difference(maps: np.ndarray, expected: np.ndarray) -> float:
    """Compare heat maps (N, h, w): their sums, which are logits, and 95 % of their pixels.

    The maximum of a channel is attributed to the pixel that has it. Where two pixels are equal
    but for rounding it may be either, which moves the attribution and leaves the sum.
    """
    sums = np.abs((maps - expected).sum(axis=(1, 2), dtype=np.float64)).max()
    pixels = np.quantile(np.abs(maps - expected), 0.95)
    return float(max(sums, pixels))


def _run_keras(path: Path, images: np.ndarray) -> np.ndarray:
    """Return the mean logits (N,) of ``model.keras``, opened as without this package."""
    import keras

    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"Keras does not open model.keras again ({_summarize_error(error)}), nothing was "
            "saved: use built-in layers only"
        ) from error
    logit_model = keras.Model(model.inputs[0], model.get_layer("logit").output)
    return np.asarray(logit_model(images, training=False))[:, 0]


def run_onnx(path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """Return the outputs of ``serving.onnx`` by name, see `build_serving_model`.

    Raises
    ------
    ModelError
        ONNX Runtime refuses the file.
    """
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, {"image": images}), strict=True))
    except Exception as error:
        raise ModelError(
            f"ONNX Runtime refuses the exported network ({_summarize_error(error)}): nothing was "
            "saved; train one of the built-in networks"
        ) from error


def compute_features(path: Path, inputs: GreyImage) -> np.ndarray:
    """Return the features (N, F) of ``serving.onnx`` for inputs (N, S, S), batch by batch."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    parts = [
        session.run(["features"], {"image": inputs[i : i + _BATCH, ..., None].astype(np.float32)})
        for i in range(0, len(inputs), _BATCH)
    ]
    return np.concatenate([features for (features,) in parts])


def hash_weights(model: keras.Model) -> tuple[str, int]:
    """Return SHA-256 (hexadecimal) and size in bytes of a model's weights, in its order."""
    digest, size = hashlib.sha256(), 0
    for array in model.get_weights():
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
        size += array.nbytes
    return digest.hexdigest(), size


def _summarize_error(error: Exception) -> str:
    """Return the first line of an error's text, shortened."""
    return (str(error).strip().splitlines() or [""])[0][:200]
