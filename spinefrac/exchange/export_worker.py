"""Child processes of an export: one converts, a fresh one reads back and answers.

Run as ``python -m spinefrac.exchange.export_worker`` by `exporting`; see `limited`.
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
from spinefrac.store import repository

#: Where each format lies in the archive.
PLACES = {
    "keras": f"model/{repository.KERAS_FILE}",
    "onnx": f"model/{repository.ONNX_FILE}",
    "h5": "model.h5",
    "savedmodel": "savedmodel",
    "litert": "model.tflite",
    "litert-int8": "model-int8.tflite",
}


def work(task: dict[str, Any]) -> dict[str, Any]:
    """Convert, or read back and answer, as the task says."""
    logging.getLogger().setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    folder = Path(task["folder"])
    if task["do"] == "convert":
        _convert(folder, task["formats"], Path(task["scratch"]))
        return {}
    images = np.load(Path(task["scratch"]) / task["images"], allow_pickle=False)
    return {name: answer(name, folder / PLACES[name], images) for name in task["formats"]}


def _convert(folder: Path, formats: list[str], scratch: Path) -> None:
    """Write the formats that are made of ``model.keras``."""
    import keras

    model = keras.models.load_model(folder / PLACES["keras"], compile=False, safe_mode=True)
    if "h5" in formats:
        model.save(folder / PLACES["h5"])
    if not {"savedmodel", "litert", "litert-int8"} & set(formats):
        return
    written = folder / PLACES["savedmodel"] if "savedmodel" in formats else scratch / "savedmodel"
    model.export(written, verbose=False)
    if "litert" in formats:
        _write_litert(written, folder / PLACES["litert"], None)
    if "litert-int8" in formats:
        slices = np.load(scratch / "representative.npy", allow_pickle=False)
        _write_litert(written, folder / PLACES["litert-int8"], slices)


def _write_litert(written: Path, target: Path, slices: np.ndarray | None) -> None:
    """Convert to LiteRT; to whole 8-bit numbers with the ranges of some slices (N, S, S)."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(written))
    if slices is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [one[None, :, :, None].astype(np.float32)] for one in slices
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    try:
        target.write_bytes(converter.convert())
    except Exception as error:
        kind = "LiteRT" if slices is None else "8-bit LiteRT"
        first = (str(error).strip().splitlines() or [""])[0][:200]
        raise ModelError(
            f"The network cannot be converted to {kind} ({type(error).__name__}: {first}): leave "
            "that format out"
        ) from error


def answer(name: str, path: Path, images: np.ndarray) -> dict[str, Any]:
    """Read one file back; return what it answers on images (N, S, S), and how fast.

    Probabilities are those of the mean fold logit, before the calibration.
    """
    ask = _READERS[name](path)
    inputs = images[..., None].astype(np.float32)
    ask(inputs[:1])
    start = time.perf_counter()
    values = np.concatenate([ask(inputs[i : i + 1]) for i in range(len(inputs))])
    seconds = time.perf_counter() - start
    return {
        "probabilities": np.asarray(values, np.float64).tolist(),
        "milliseconds": round(1000 * seconds / len(inputs), 3),
    }


Ask = Callable[[np.ndarray], np.ndarray]


def _read_keras(path: Path) -> Ask:
    import keras

    model = keras.models.load_model(path, compile=False, safe_mode=True)
    return lambda images: np.asarray(model(images, training=False))[:, 0]


def _read_savedmodel(path: Path) -> Ask:
    import tensorflow as tf

    served = tf.saved_model.load(str(path))
    return lambda images: np.asarray(served.serve(images))[:, 0]


def _read_onnx(path: Path) -> Ask:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def ask(images: np.ndarray) -> np.ndarray:
        logits = session.run(["logits"], {"image": images})[0].astype(np.float64)
        return np.asarray(1 / (1 + np.exp(-logits.mean(axis=1))))

    return ask


def _read_litert(path: Path) -> Ask:
    with contextlib.redirect_stdout(None):
        from ai_edge_litert.interpreter import Interpreter
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def ask(images: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(taken["index"], images)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(given["index"]))[:, 0]

    return ask


_READERS: dict[str, Callable[[Path], Ask]] = {
    "keras": _read_keras,
    "h5": _read_keras,
    "savedmodel": _read_savedmodel,
    "onnx": _read_onnx,
    "litert": _read_litert,
    "litert-int8": _read_litert,
}


if __name__ == "__main__":
    from spinefrac.system import sandbox

    sandbox.serve(work)
