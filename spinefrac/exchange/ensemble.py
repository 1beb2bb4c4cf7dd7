"""The fold models as one Keras model for people and one ONNX file for serving.

Only built-in layers are used, so that ``model.keras`` opens with plain
``keras.models.load_model`` in its safe mode, without this package.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spinefrac.errors import ModelError
from spinefrac.records import GreyImage

if TYPE_CHECKING:
    import keras

#: A logit may differ by so much between Keras and ONNX Runtime; more is a wrong export.
LOGIT_TOLERANCE = 1e-3

#: Begins the name of each fold network within the ensemble, which ends with its number.
FOLD_PREFIX = "fold_"


def build_probability_model(fold_models: Sequence[keras.Model]) -> keras.Model:
    """Join the folds to the model that people open.

    Parameters
    ----------
    fold_models : sequence of keras.Model
        Each with input ``image`` (N, S, S, 1) in 0…255 and outputs [logit (N, 1), heat map
        (N, h, w)].

    Returns
    -------
    keras.Model
        Input ``image``; output ``probability`` (N, 1) = sigmoid(mean of the fold logits).
        Its layer ``logit`` gives that mean before the sigmoid.
    """
    import keras

    image = keras.Input(fold_models[0].inputs[0].shape[1:], name="image")
    logits = [
        _rename_fold_model(build_logit_model(model), index)(image)
        for index, model in enumerate(fold_models)
    ]
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
        (N, h, w), the latter the mean over the folds.
    """
    import keras

    image = keras.Input(fold_models[0].inputs[0].shape[1:], name="image")
    outputs = [_rename_fold_model(model, index)(image) for index, model in enumerate(fold_models)]
    logits = _merge_tensors([logit for logit, _ in outputs], keras.layers.Concatenate, "logits")
    heatmaps = _merge_tensors([heatmap for _, heatmap in outputs], keras.layers.Average, "heatmaps")
    return keras.Model(image, {"logits": logits, "heatmaps": heatmaps}, name="serving")


def build_logit_model(model: keras.Model) -> keras.Model:
    """Return a fold's network without the heat map, sharing its layers."""
    import keras

    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)


def _rename_fold_model(model: keras.Model, index: int) -> keras.Model:
    """Wrap a fold's layers under a name of its own; nothing is copied."""
    import keras

    outputs = model.outputs if len(model.outputs) > 1 else model.outputs[0]
    return keras.Model(model.inputs[0], outputs, name=f"{FOLD_PREFIX}{index}")


def _merge_tensors(tensors: list, merge: type, name: str) -> keras.KerasTensor:
    """Merge the folds' tensors; a single fold has nothing to merge."""
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
    except OSError:
        raise
    except Exception as error:
        raise ModelError(
            "The network cannot be exported to ONNX "
            f"({type(error).__name__}: {_summarize_error(error)}): train one of the built-in networks"
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
    import keras

    images = inputs[..., None].astype(np.float32)
    logits, heatmaps = _run_onnx(onnx_path, images)
    expected = {name: np.asarray(value) for name, value in model(images, training=False).items()}
    reloaded = _load_keras_model(keras_path)
    inner = keras.Model(reloaded.inputs[0], reloaded.get_layer("logit").output)
    mean = np.asarray(inner(images, training=False))[:, 0]

    if logits.shape != expected["logits"].shape or heatmaps.shape != expected["heatmaps"].shape:
        raise ModelError(
            f"The ONNX export answers in shapes {logits.shape} and {heatmaps.shape}, expected "
            f"{expected['logits'].shape} and {expected['heatmaps'].shape}: nothing was saved; "
            "train another network"
        )
    logit_difference = max(
        float(np.abs(logits - expected["logits"]).max()),
        float(np.abs(logits.mean(axis=1) - mean).max()),
    )
    heatmap_difference = _max_heatmap_difference(heatmaps, expected["heatmaps"])
    # Written so that NaN fails as well.
    if not (logit_difference <= LOGIT_TOLERANCE and heatmap_difference <= LOGIT_TOLERANCE):
        raise ModelError(
            f"ONNX Runtime and Keras differ by {logit_difference:.2g} in the logits and "
            f"{heatmap_difference:.2g} in the heat maps, expected at most {LOGIT_TOLERANCE:g}: "
            "nothing was saved; train another network or check that the loss was finite"
        )
    return logit_difference


def _max_heatmap_difference(maps: np.ndarray, expected: np.ndarray) -> float:
    """Compare heat maps (N, h, w): their sums, which are logits, and nearly all their places.

    A channel's maximum is credited to the place where it stands. Where two places are equal
    but for rounding it may stand in either, which moves that credit and leaves the sum, so
    one place in twenty may differ.
    """
    sums = np.abs((maps - expected).sum(axis=(1, 2), dtype=np.float64)).max()
    places = np.quantile(np.abs(maps - expected), 0.95)
    return float(max(sums, places))


def _load_keras_model(path: Path) -> keras.Model:
    """Open ``model.keras`` as anyone would who does not have this package."""
    import keras

    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"Keras does not open model.keras again ({_summarize_error(error)}), nothing was saved: use "
            "built-in layers only"
        ) from error


def _run_onnx(path: Path, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        logits, heatmaps = session.run(["logits", "heatmaps"], {"image": images})
    except Exception as error:
        raise ModelError(
            f"ONNX Runtime refuses the exported network ({_summarize_error(error)}): nothing was "
            "saved; train one of the built-in networks"
        ) from error
    return logits, heatmaps


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
