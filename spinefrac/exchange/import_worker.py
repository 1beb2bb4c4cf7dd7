"""The child process that verifies an imported file and writes the networks of a saved model.

`import_model` and `remote` call it by `system.sandbox`.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from spinefrac.errors import ModelError
from spinefrac.evaluation.calibration import sigmoid
from spinefrac.exchange import archive, io_spec, validation, verification_slices
from spinefrac.exchange.io_spec import DeclaredIO, IOSpec
from spinefrac.records import Preprocessing
from spinefrac.store import card, repository

#: Largest accepted difference of a probability between the file and the networks made of it.
PROBABILITY_TOLERANCE = 1e-4


def handle_task(task: dict[str, Any]) -> dict[str, Any]:
    """Verify ``task["file"]`` and write the networks into ``task["folder"]``.

    Returns
    -------
    dict
        ``io_spec``, ``difference`` of a logit and ``parameters`` for a Keras or ONNX file;
        empty for a ZIP or a folder.
    """
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    source, folder = Path(task["file"]), Path(task["folder"])
    if task["format"] == "zip":
        return _import_archive(source, folder)
    if task["format"] == "folder":
        check_saved_model(folder)
        return {}
    user_io = DeclaredIO(**task["user_io"])
    preprocessing = Preprocessing(**task["preprocessing"])
    convert = _import_onnx if task["format"] == "onnx" else _import_keras
    return convert(source, folder, user_io, preprocessing)


def _import_archive(source: Path, folder: Path) -> dict[str, Any]:
    """Unpack a ZIP that this package wrote, and verify everything in it."""
    archive.unpack(source, folder)
    check_saved_model(folder)
    return {}


def check_saved_model(folder: Path) -> None:
    """Verify hashes and both networks, and compare these on the synthetic slices."""
    own = card.parse(repository.read_card(folder))
    for name, record in own.files.items():
        repository.verify_file(folder, name, record)
    _check_serving_file(folder, own)
    images = verification_slices.render_inputs(own.preprocessing)
    logits = _run_onnx(folder / repository.ONNX_FILE, images)
    if logits.ndim != 2 or not np.isfinite(logits).all():
        raise ModelError("serving.onnx returns no finite logits: the model is not imported")
    if repository.KERAS_FILE not in own.files:
        return
    from spinefrac.exchange import keras_import

    network = keras_import.load_network(folder / repository.KERAS_FILE)
    probabilities = np.asarray(network.model(images[..., None].astype(np.float32), training=False))
    mean = logits.astype(np.float64).mean(axis=1)
    difference = np.abs(probabilities[:, 0] - sigmoid(mean)).max()
    if not difference <= PROBABILITY_TOLERANCE:
        raise ModelError(
            f"model.keras and serving.onnx differ by {difference:.2g} in a probability, expected "
            f"at most {PROBABILITY_TOLERANCE:g}: they are not the same model, which is not "
            "imported"
        )


def _check_serving_file(folder: Path, own: card.Card) -> None:
    """Verify a serving file: safe operators, and the outputs that its card states."""
    import onnx

    from spinefrac.exchange import onnx_import

    validation.check_file_size(folder / repository.ONNX_FILE)
    model = onnx.load_model_from_string((folder / repository.ONNX_FILE).read_bytes())
    onnx_import.check_graph(model)
    wanted = {"logits"} | ({"heatmaps"} if own.heatmap == "exact" else set())
    if {entry.name for entry in model.graph.output} != wanted:
        raise ModelError(
            f"serving.onnx has other outputs than {', '.join(sorted(wanted))}: it does not belong "
            "to its card, and the model is not imported"
        )


def _import_onnx(
    source: Path, folder: Path, user_io: DeclaredIO, preprocessing: Preprocessing
) -> dict[str, Any]:
    from spinefrac.exchange import keras_import, onnx_import

    network = onnx_import.load_network(source)
    spec = io_spec.resolve(network.file_io, network.units, user_io)
    images = _verification_inputs(preprocessing, spec)
    target = folder / repository.ONNX_FILE
    onnx_import.wrap_network(network, spec, target)
    scaled = keras_import.scale_inputs(images[..., None], spec)
    if not network.channels_last:
        scaled = scaled.transpose(0, 3, 1, 2)
    # One by one: the file may have a fixed batch size of one.
    values = np.concatenate(
        [_run_source_network(source, network.input, one[None]) for one in scaled]
    )
    difference = _compare_logits(keras_import.to_logits(values, spec), target, images)
    parameters = sum(int(np.prod(t.dims)) for t in network.model.graph.initializer)
    return _build_result(spec, difference, parameters)


def _import_keras(
    source: Path, folder: Path, user_io: DeclaredIO, preprocessing: Preprocessing
) -> dict[str, Any]:
    from spinefrac.exchange import ensemble, keras_import

    network = keras_import.load_network(source)
    spec = io_spec.resolve(network.file_io, network.units, user_io)
    images = _verification_inputs(preprocessing, spec)
    scaled = keras_import.scale_inputs(images[..., None], spec)
    values = np.asarray(network.model(scaled, training=False))
    expected = keras_import.to_logits(values, spec)
    probability_model, serving = keras_import.wrap_network(network, spec)
    probability_model.save(folder / repository.KERAS_FILE)
    ensemble.write_onnx(serving, folder / repository.ONNX_FILE)
    difference = _compare_logits(expected, folder / repository.ONNX_FILE, images)
    _check_reloaded(folder / repository.KERAS_FILE, images, sigmoid(expected))
    return _build_result(spec, difference, int(network.model.count_params()))


def _check_reloaded(path: Path, images: np.ndarray, expected: np.ndarray) -> None:
    """Refuse a Keras file that returns other probabilities (N,) after it is loaded again."""
    from spinefrac.exchange import keras_import

    model = keras_import.load_network(path).model
    probabilities = np.asarray(model(images[..., None].astype(np.float32), training=False))[:, 0]
    difference = float(np.abs(probabilities - expected).max())
    if not difference <= PROBABILITY_TOLERANCE:
        raise ModelError(
            f"Keras returns probabilities that differ by {difference:.2g} after the network is "
            "saved again: it is not imported"
        )


def _verification_inputs(preprocessing: Preprocessing, spec: IOSpec) -> np.ndarray:
    """Return the synthetic slices in the network's size, uint8 (16, S, S)."""
    return verification_slices.render_inputs(replace(preprocessing, size=spec.size))


def _build_result(spec: IOSpec, difference: float, parameters: int) -> dict[str, Any]:
    return {"io_spec": asdict(spec), "difference": difference, "parameters": parameters}


def _run_onnx(path: Path, images: np.ndarray) -> np.ndarray:
    """Return the logits (N, folds) of a serving file."""
    session = _open_session(path)
    return np.asarray(session.run(["logits"], {"image": images[..., None].astype(np.float32)})[0])


def _run_source_network(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    return np.asarray(_open_session(path).run(None, {name: values})[0]).reshape(1, -1)


_session_cache: dict[Path, Any] = {}


def _open_session(path: Path) -> Any:
    import onnxruntime

    if path not in _session_cache:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        _session_cache[path] = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    return _session_cache[path]


def _compare_logits(expected: np.ndarray, path: Path, images: np.ndarray) -> float:
    """Compare the serving file, on sixteen slices at once and on one, with the source network.

    Returns
    -------
    float
        Largest difference of a logit.

    Raises
    ------
    ModelError
        A probability differs by more than `PROBABILITY_TOLERANCE`.
    """
    try:
        logits = _run_onnx(path, images)[:, 0].astype(np.float64)
        alone = _run_onnx(path, images[:1])[:, 0].astype(np.float64)
    except Exception as error:
        raise ModelError(
            "The network does not run in ONNX Runtime for several slices at once "
            f"({validation.summarize_error(error)}): export it with an open batch dimension"
        ) from error

    difference = max(
        float(np.abs(sigmoid(logits) - sigmoid(expected)).max()),
        float(np.abs(sigmoid(alone) - sigmoid(expected[:1])).max()),
    )
    if not difference <= PROBABILITY_TOLERANCE:
        raise ModelError(
            f"The network returns other probabilities in ONNX Runtime, by {difference:.2g}, "
            f"expected at most {PROBABILITY_TOLERANCE:g}: it is not imported; export it to ONNX "
            "with the tool that it was trained with, and import that"
        )
    return float(np.abs(logits - expected).max())
