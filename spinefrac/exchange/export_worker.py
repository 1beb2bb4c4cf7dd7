"""Child processes of an export: one converts, a fresh one loads the result and predicts.

`export_formats` calls it by `system.sandbox`.
"""

from __future__ import annotations

import contextlib
import logging
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from spinefrac.errors import ModelError
from spinefrac.evaluation.calibration import sigmoid
from spinefrac.store import repository
from spinefrac.system.hidden_modules import lean_keras_import

#: Path of each format in the archive.
ARCHIVE_PATHS = {
    "keras": f"model/{repository.KERAS_FILE}",
    "onnx": f"model/{repository.ONNX_FILE}",
    "h5": "model.h5",
    "savedmodel": "savedmodel",
    "litert": "model.tflite",
    "litert-int8": "model-int8.tflite",
}


def handle_task(task: dict[str, Any]) -> dict[str, Any]:
    """Convert, or load and predict, as the task says."""
    logging.getLogger().setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    folder = Path(task["folder"])
    if task["do"] == "convert":
        _convert(folder, task["formats"], Path(task["scratch"]))
        return {}
    inputs = np.load(Path(task["scratch"]) / task["inputs"], allow_pickle=False)
    return {
        name: run_exported_model(name, folder / ARCHIVE_PATHS[name], inputs)
        for name in task["formats"]
    }


def _convert(folder: Path, formats: list[str], scratch: Path) -> None:
    """Write the formats that are converted from ``model.keras``."""
    with lean_keras_import():
        import keras

    model = keras.models.load_model(folder / ARCHIVE_PATHS["keras"], compile=False, safe_mode=True)
    if "h5" in formats:
        model.save(folder / ARCHIVE_PATHS["h5"])
    if not {"savedmodel", "litert", "litert-int8"} & set(formats):
        return
    saved_model = (
        folder / ARCHIVE_PATHS["savedmodel"] if "savedmodel" in formats else scratch / "savedmodel"
    )
    model.export(saved_model, verbose=False)
    if "litert" in formats:
        _write_litert(saved_model, folder / ARCHIVE_PATHS["litert"], None)
    if "litert-int8" in formats:
        slices = np.load(scratch / "representative.npy", allow_pickle=False)
        _write_litert(saved_model, folder / ARCHIVE_PATHS["litert-int8"], slices)


def _write_litert(
    saved_model_path: Path, target: Path, representative_inputs: np.ndarray | None
) -> None:
    """Convert to LiteRT; with inputs (N, S, S) to int8, quantized for the ranges that they give."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model_path))
    if representative_inputs is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [one[None, :, :, None].astype(np.float32)] for one in representative_inputs
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    try:
        target.write_bytes(converter.convert())
    except Exception as error:
        kind = "LiteRT" if representative_inputs is None else "8-bit LiteRT"
        first = (str(error).strip().splitlines() or [""])[0][:200]
        raise ModelError(
            f"The network cannot be converted to {kind} ({type(error).__name__}: {first}): leave "
            "that format out"
        ) from error


def run_exported_model(name: str, path: Path, inputs: np.ndarray) -> dict[str, Any]:
    """Load one file; return its probabilities on inputs (N, S, S), and the time for a slice.

    Probabilities are those of the mean fold logit, before the calibration.
    """
    predict = _LOADERS[name](path)
    images = inputs[..., None].astype(np.float32)
    predict(images[:1])
    start = time.perf_counter()
    values = np.concatenate([predict(images[i : i + 1]) for i in range(len(images))])
    seconds = time.perf_counter() - start
    return {
        "probabilities": np.asarray(values, np.float64).tolist(),
        "milliseconds": round(1000 * seconds / len(images), 3),
    }


PredictFunction = Callable[[np.ndarray], np.ndarray]


def _load_keras(path: Path) -> PredictFunction:
    with lean_keras_import():
        import keras

    model = keras.models.load_model(path, compile=False, safe_mode=True)
    return lambda images: np.asarray(model(images, training=False))[:, 0]


def _load_savedmodel(path: Path) -> PredictFunction:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    return lambda images: np.asarray(loaded.serve(images))[:, 0]


def _load_onnx(path: Path) -> PredictFunction:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def predict(images: np.ndarray) -> np.ndarray:
        logits = session.run(["logits"], {"image": images})[0].astype(np.float64)
        return sigmoid(logits.mean(axis=1))

    return predict


def _load_litert(path: Path) -> PredictFunction:
    with contextlib.redirect_stdout(None):
        from ai_edge_litert.interpreter import Interpreter
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def predict(images: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(source["index"], images)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(target["index"]))[:, 0]

    return predict


_LOADERS: dict[str, Callable[[Path], PredictFunction]] = {
    "keras": _load_keras,
    "h5": _load_keras,
    "savedmodel": _load_savedmodel,
    "onnx": _load_onnx,
    "litert": _load_litert,
    "litert-int8": _load_litert,
}
