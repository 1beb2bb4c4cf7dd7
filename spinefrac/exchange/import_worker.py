"""The child process that looks at a file from elsewhere and makes a model's files of it.

Run as ``python -m spinefrac.exchange.import_worker`` by `importing`; see `limited`.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from spinefrac.errors import ModelError
from spinefrac.evaluation.calibration import sigmoid
from spinefrac.exchange import archive, io_spec, validation, verification_slices
from spinefrac.exchange.io_spec import DeclaredIO, IOSpec
from spinefrac.records import Preprocessing
from spinefrac.store import card, repository

#: A probability may differ by so much between the file and what is made of it.
PROBABILITY_TOLERANCE = 1e-4


def handle_task(task: dict[str, Any]) -> dict[str, Any]:
    """Look at ``task["file"]`` and write the model's parts into ``task["folder"]``."""
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    source, folder = Path(task["file"]), Path(task["folder"])
    if task["format"] == "zip":
        return _import_archive(source, folder)
    if task["format"] == "folder":
        check_saved_model(folder)
        return {}
    given = DeclaredIO(**task["given"])
    preprocessing = Preprocessing.from_dict(task["preprocessing"])
    convert = _import_onnx if task["format"] == "onnx" else _import_keras
    return convert(source, folder, given, preprocessing)


def _import_archive(source: Path, folder: Path) -> dict[str, Any]:
    """Unpack a ZIP that this package wrote, and check everything in it."""
    archive.unpack(source, folder)
    check_saved_model(folder)
    return {}


def check_saved_model(folder: Path) -> None:
    """Verify hashes, look at both networks, and compare them on the rendered slices."""
    own = card.parse((folder / repository.CARD_FILE).read_bytes())
    for name, record in own.files.items():
        repository.verify_file(folder, name, record)
    _check_serving_file(folder, own)
    images = verification_slices.render_inputs(own.preprocessing)
    answers = _run_onnx(folder / repository.ONNX_FILE, images)
    if answers.ndim != 2 or not np.isfinite(answers).all():
        raise ModelError("serving.onnx gives no finite logits: the model is not imported")
    if repository.KERAS_FILE not in own.files:
        return
    from spinefrac.exchange import keras_import

    network = keras_import.load_network(folder / repository.KERAS_FILE)
    people = np.asarray(network.model(images[..., None].astype(np.float32), training=False))
    mean = answers.astype(np.float64).mean(axis=1)
    difference = np.abs(people[:, 0] - sigmoid(mean)).max()
    if not difference <= PROBABILITY_TOLERANCE:
        raise ModelError(
            f"model.keras and serving.onnx differ by {difference:.2g} in a probability, expected "
            f"at most {PROBABILITY_TOLERANCE:g}: they are not the same model, and it is not imported"
        )


def _check_serving_file(folder: Path, own: card.Card) -> None:
    """Look at a serving file: one input, and the outputs that its card promises."""
    import onnx

    from spinefrac.exchange import onnx_import

    validation.check_file_size(folder / repository.ONNX_FILE)
    model = onnx.load_model_from_string((folder / repository.ONNX_FILE).read_bytes())
    onnx_import.check_graph(model)
    wanted = {"logits"} | ({"heatmaps"} if own.heatmap == "exact" else set())
    if {entry.name for entry in model.graph.output} != wanted:
        raise ModelError(
            f"serving.onnx has other outputs than {', '.join(sorted(wanted))}: it is not the file "
            "that its card is of"
        )


def _import_onnx(
    source: Path, folder: Path, user_io: DeclaredIO, preprocessing: Preprocessing
) -> dict[str, Any]:
    from spinefrac.exchange import keras_import, onnx_import

    network = onnx_import.load_network(source)
    asked = io_spec.resolve(network.file_io, network.units, user_io)
    images = _verification_inputs(preprocessing, asked)
    target = folder / repository.ONNX_FILE
    onnx_import.wrap_network(network, asked, target)
    greys = keras_import.scale_inputs(images[..., None], asked)
    if not network.channels_last:
        greys = greys.transpose(0, 3, 1, 2)
    # One by one, as a file for single pictures allows.
    values = np.concatenate(
        [_run_source_network(source, network.input, one[None]) for one in greys]
    )
    difference = _compare_logits(keras_import.to_logits(values, asked), target, images)
    parameters = sum(int(np.prod(t.dims)) for t in network.model.graph.initializer)
    return _build_result(asked, difference, parameters)


def _import_keras(
    source: Path, folder: Path, user_io: DeclaredIO, preprocessing: Preprocessing
) -> dict[str, Any]:
    from spinefrac.exchange import ensemble, keras_import

    network = keras_import.load_network(source)
    asked = io_spec.resolve(network.file_io, network.units, user_io)
    images = _verification_inputs(preprocessing, asked)
    greys = keras_import.scale_inputs(images[..., None], asked)
    values = np.asarray(network.model(greys, training=False))
    expected = keras_import.to_logits(values, asked)
    people, serving = keras_import.wrap_network(network, asked)
    people.save(folder / repository.KERAS_FILE)
    ensemble.write_onnx(serving, folder / repository.ONNX_FILE)
    difference = _compare_logits(expected, folder / repository.ONNX_FILE, images)
    # Read back as anyone will read it.
    again = keras_import.load_network(folder / repository.KERAS_FILE).model
    answered = np.asarray(again(images[..., None].astype(np.float32), training=False))[:, 0]
    kept = float(np.abs(answered - sigmoid(expected)).max())
    if not kept <= PROBABILITY_TOLERANCE:
        raise ModelError(
            f"Keras gives probabilities that differ by {kept:.2g} after the network is saved "
            "again: it is not imported"
        )
    return _build_result(asked, difference, int(network.model.count_params()))


def _verification_inputs(preprocessing: Preprocessing, io_spec: IOSpec) -> np.ndarray:
    from dataclasses import replace

    return verification_slices.render_inputs(replace(preprocessing, size=io_spec.size))


def _build_result(io_spec: IOSpec, difference: float, parameters: int) -> dict[str, Any]:
    from dataclasses import asdict

    return {"asked": asdict(io_spec), "difference": difference, "parameters": parameters}


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
    """Compare the serving file, sixteen at once and one alone, with the network as it came.

    Returns the largest difference of a logit; ModelError where a probability differs.
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
            f"The network answers differently in ONNX Runtime, by {difference:.2g} in a "
            f"probability, expected at most {PROBABILITY_TOLERANCE:g}: it is not imported; export it to ONNX "
            "by the tool it was made with, and import that"
        )
    return float(np.abs(logits - expected).max())


if __name__ == "__main__":
    from spinefrac.system import sandbox

    sandbox.serve_task(handle_task)
