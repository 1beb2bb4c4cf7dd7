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
from spinefrac.exchange import archive, io_spec, validation, verification_slices
from spinefrac.exchange.io_spec import Answers, Asked
from spinefrac.records import Preprocessing
from spinefrac.store import card, repository

#: A probability may differ by so much between the file and what is made of it.
TOLERANCE = 1e-4


def work(task: dict[str, Any]) -> dict[str, Any]:
    """Look at ``task["file"]`` and write the model's parts into ``task["folder"]``."""
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    source, folder = Path(task["file"]), Path(task["folder"])
    if task["format"] == "zip":
        return _whole_model(source, folder)
    if task["format"] == "folder":
        check_whole_model(folder)
        return {}
    given = Answers(**task["given"])
    preprocessing = Preprocessing.from_dict(task["preprocessing"])
    convert = _from_onnx if task["format"] == "onnx" else _from_keras
    return convert(source, folder, given, preprocessing)


def _whole_model(source: Path, folder: Path) -> dict[str, Any]:
    """Unpack a ZIP that this package wrote, and check everything in it."""
    archive.unpack(source, folder)
    check_whole_model(folder)
    return {}


def check_whole_model(folder: Path) -> None:
    """Verify hashes, look at both networks, and compare them on the rendered slices."""
    own = card.parse((folder / repository.CARD_FILE).read_bytes())
    for name, record in own.files.items():
        repository.verify(folder, name, record)
    _check_serving(folder, own)
    images = verification_slices.inputs(own.preprocessing)
    answers = _run_onnx(folder / repository.ONNX_FILE, images)
    if answers.ndim != 2 or not np.isfinite(answers).all():
        raise ModelError("serving.onnx gives no finite logits: the model is not imported")
    if repository.KERAS_FILE not in own.files:
        return
    from spinefrac.exchange import keras_import

    network = keras_import.read(folder / repository.KERAS_FILE)
    people = np.asarray(network.model(images[..., None].astype(np.float32), training=False))
    mean = answers.astype(np.float64).mean(axis=1)
    difference = np.abs(people[:, 0] - 1 / (1 + np.exp(-mean))).max()
    if not difference <= TOLERANCE:
        raise ModelError(
            f"model.keras and serving.onnx differ by {difference:.2g} in a probability, expected "
            f"at most {TOLERANCE:g}: they are not the same model, and it is not imported"
        )


def _check_serving(folder: Path, own: card.Card) -> None:
    """Look at a serving file: one input, and the outputs that its card promises."""
    import onnx

    from spinefrac.exchange import onnx_import

    validation.check_size(folder / repository.ONNX_FILE)
    model = onnx.load_model_from_string((folder / repository.ONNX_FILE).read_bytes())
    onnx_import.check_parts(model)
    wanted = {"logits"} | ({"heatmaps"} if own.heatmap == "exact" else set())
    if {entry.name for entry in model.graph.output} != wanted:
        raise ModelError(
            f"serving.onnx has other outputs than {', '.join(sorted(wanted))}: it is not the file "
            "that its card is of"
        )


def _from_onnx(
    source: Path, folder: Path, given: Answers, preprocessing: Preprocessing
) -> dict[str, Any]:
    from spinefrac.exchange import keras_import, onnx_import

    network = onnx_import.read(source)
    asked = io_spec.settle(network.found, network.units, given)
    images = _images(preprocessing, asked)
    target = folder / repository.ONNX_FILE
    onnx_import.wrap(network, asked, target)
    greys = keras_import.greys_of(images[..., None], asked)
    if not network.channels_last:
        greys = greys.transpose(0, 3, 1, 2)
    # One by one, as a file for single pictures allows.
    values = np.concatenate([_run_foreign(source, network.input, one[None]) for one in greys])
    difference = _compare(keras_import.logits_of(values, asked), target, images)
    parameters = sum(int(np.prod(t.dims)) for t in network.model.graph.initializer)
    return _result(asked, difference, parameters)


def _from_keras(
    source: Path, folder: Path, given: Answers, preprocessing: Preprocessing
) -> dict[str, Any]:
    from spinefrac.exchange import keras_import
    from spinefrac.store import ensemble

    network = keras_import.read(source)
    asked = io_spec.settle(network.found, network.units, given)
    images = _images(preprocessing, asked)
    greys = keras_import.greys_of(images[..., None], asked)
    values = np.asarray(network.model(greys, training=False))
    expected = keras_import.logits_of(values, asked)
    people, serving = keras_import.wrap(network, asked)
    people.save(folder / repository.KERAS_FILE)
    ensemble.write_onnx(serving, folder / repository.ONNX_FILE)
    difference = _compare(expected, folder / repository.ONNX_FILE, images)
    # Read back as anyone will read it.
    again = keras_import.read(folder / repository.KERAS_FILE).model
    answered = np.asarray(again(images[..., None].astype(np.float32), training=False))[:, 0]
    kept = float(np.abs(answered - 1 / (1 + np.exp(-expected))).max())
    if not kept <= TOLERANCE:
        raise ModelError(
            f"Keras gives probabilities that differ by {kept:.2g} after the network is saved "
            "again: it is not imported"
        )
    return _result(asked, difference, int(network.model.count_params()))


def _images(preprocessing: Preprocessing, asked: Asked) -> np.ndarray:
    from dataclasses import replace

    return verification_slices.inputs(replace(preprocessing, size=asked.size))


def _result(asked: Asked, difference: float, parameters: int) -> dict[str, Any]:
    from dataclasses import asdict

    return {"asked": asdict(asked), "difference": difference, "parameters": parameters}


def _run_onnx(path: Path, images: np.ndarray) -> np.ndarray:
    """Return the logits (N, folds) of a serving file."""
    session = _session(path)
    return np.asarray(session.run(["logits"], {"image": images[..., None].astype(np.float32)})[0])


def _run_foreign(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    return np.asarray(_session(path).run(None, {name: values})[0]).reshape(1, -1)


_sessions: dict[Path, Any] = {}


def _session(path: Path) -> Any:
    import onnxruntime

    if path not in _sessions:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        _sessions[path] = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    return _sessions[path]


def _compare(expected: np.ndarray, path: Path, images: np.ndarray) -> float:
    """Compare the serving file, sixteen at once and one alone, with the network as it came.

    Returns the largest difference of a logit; ModelError where a probability differs.
    """
    try:
        logits = _run_onnx(path, images)[:, 0].astype(np.float64)
        alone = _run_onnx(path, images[:1])[:, 0].astype(np.float64)
    except Exception as error:
        raise ModelError(
            "The network does not run in ONNX Runtime for several slices at once "
            f"({validation.short(error)}): export it with an open batch dimension"
        ) from error

    def probability(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    difference = max(
        float(np.abs(probability(logits) - probability(expected)).max()),
        float(np.abs(probability(alone) - probability(expected[:1])).max()),
    )
    if not difference <= TOLERANCE:
        raise ModelError(
            f"The network answers differently in ONNX Runtime, by {difference:.2g} in a "
            f"probability, expected at most {TOLERANCE:g}: it is not imported; export it to ONNX "
            "by the tool it was made with, and import that"
        )
    return float(np.abs(logits - expected).max())


if __name__ == "__main__":
    from spinefrac.system import sandbox

    sandbox.serve(work)
