"""Save a model: everything is written beside, compared, hashed, and then appears by one rename.

A save that is killed leaves a folder ``.tmp-…`` that is never listed and that the next save
removes. A lock on the unfinished folder, which the system gives back when its process ends
however it ends, tells an abandoned folder from one that is being written.
"""

from __future__ import annotations

import csv
import os
import platform
import secrets
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from importlib.metadata import version
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np

from spinefrac import settings
from spinefrac.errors import ModelError
from spinefrac.evaluation.metrics import Metrics
from spinefrac.evaluation.operating_point import OperatingPoint
from spinefrac.records import EpochRecord, GreyImage, OutOfFoldPredictions, Preprocessing
from spinefrac.store import card as cards
from spinefrac.store import ensemble, identifiers, repository
from spinefrac.store.card import Calibration, Card, DataSummary, FileRecord, FoldRecord, ParentModel
from spinefrac.system import lock
from spinefrac.system.filesystem import fsync_path

if TYPE_CHECKING:
    import keras

    from spinefrac.store.input_statistics import InputCheckStatistics

#: Slices on which Keras and ONNX Runtime are compared at least.
MIN_VERIFICATION_INPUTS = 16

#: Prefix of a folder that is being written.
UNFINISHED_PREFIX = ".tmp-"

#: Where folders cannot be locked (Windows), an unfinished one is abandoned after so long.
_STALE_AFTER_S = 24 * 3600

_PACKAGES = (
    "spinefrac tensorflow keras tf2onnx onnx onnxruntime numpy opencv-python-headless scikit-learn"
)


@dataclass(frozen=True, kw_only=True)
class NewModel:
    """What cross-validation hands over to be saved.

    Attributes
    ----------
    id, note : str
        Name of the model, and in words what it is for.
    network : str
        Name of the network in `training.networks`.
    settings : dict
        Training settings in JSON's types. A folder in them is reduced to its last part.
    preprocessing : Preprocessing
        How a slice becomes an input.
    fold_models : sequence of keras.Model
        In the order of the folds; input ``image`` (N, S, S, 1) in 0…255, outputs [logit
        (N, 1), heat map (N, h, w)].
    out_of_fold : OutOfFold
        N rows, probabilities calibrated with `temperature`.
    history : tuple of EpochRecord
    metrics : Metrics
        Of `out_of_fold` at the operating point.
    temperature : float
        Divides the mean logit before the sigmoid.
    temperature_method : str
        How it was fitted, in words.
    operating_point : OperatingPoint
    data : DataSummary
        See `DataSummary.of`.
    input_check : InputCheckStatistics
        Fitted on the training inputs.
    verification_inputs : uint8 array, shape (>= 16, S, S)
        Model inputs on which Keras and ONNX Runtime are compared.
    audit_verdict : str or None
    trained_by : str
        Who had it trained, where they were signed in.
    parent : Parent or None
        The saved model that training started from.
    """

    id: str
    note: str
    network: str
    settings: dict[str, Any]
    preprocessing: Preprocessing
    fold_models: Sequence[keras.Model]
    out_of_fold: OutOfFoldPredictions
    history: tuple[EpochRecord, ...]
    metrics: Metrics
    temperature: float
    temperature_method: str
    operating_point: OperatingPoint
    data: DataSummary
    input_check: InputCheckStatistics
    verification_inputs: GreyImage
    audit_verdict: str | None = None
    trained_by: str = ""
    parent: ParentModel | None = None


def save(new_model: NewModel) -> repository.SavedModel:
    """Write a model's folder, or leave nothing.

    Parameters
    ----------
    new_model : NewModel

    Returns
    -------
    SavedModel
        As `saved.load` reads it back, verified.

    Raises
    ------
    ModelError
        The name is in use or not a name, a part does not fit the others, ONNX Runtime and
        Keras disagree on the probes, or the disk does not take it.
    """
    _check_new_model(new_model)
    with create_model_folder(new_model.id) as folder:
        _write_model_files(new_model, folder)
    return repository.load(new_model.id)


@contextmanager
def create_model_folder(model_id: str) -> Iterator[Path]:
    """Give a folder to fill, which then is the saved model `model_id`; or leave nothing.

    Yields
    ------
    Path
        An empty folder beside the saved models. It takes its name by one rename where the body
        ends well, and is removed where it does not.

    Raises
    ------
    ModelError
        The name is in use or not a name, or the disk does not take it.
    """
    check_id_unused(model_id)
    models = settings.models_dir()
    try:
        models.mkdir(parents=True, exist_ok=True)
        with unfinished_folder(models, model_id) as folder:
            yield folder
            for path in (*folder.iterdir(), folder):
                fsync_path(path)
            publish_folder(folder, model_id)
    except OSError as error:
        raise ModelError(
            f"The model {model_id} cannot be written ({error.strerror or error}), nothing was "
            "saved: make room in the models' folder or permit writing there, and save again"
        ) from error


def publish_folder(folder: Path, model_id: str) -> None:
    """Let a finished folder appear under its name by one rename; ModelError where it is taken."""
    models = settings.models_dir()
    with lock.models_lock():
        check_id_unused(model_id)
        folder.rename(models / model_id)
    fsync_path(models)


def check_id_unused(model_id: str) -> None:
    """Raise a ModelError where a saved model, or any folder, already has this name."""
    if (settings.models_dir() / identifiers.validate(model_id)).exists():
        raise ModelError(
            f"The name {model_id} is in use by a saved model, which is never overwritten: choose "
            "another name or delete that model first"
        )


def remove_unfinished() -> list[str]:
    """Remove what killed saves left behind; return the folders' names.

    A folder that a living process is writing stays.
    """
    models = settings.models_dir()
    if not models.is_dir():
        return []
    with lock.models_lock():
        return _remove_stale(models)


def _check_new_model(new_model: NewModel) -> None:
    """Refuse parts that do not fit together, before anything is written."""
    check_id_unused(new_model.id)
    size, folds, rows = (
        new_model.preprocessing.size,
        len(new_model.fold_models),
        len(new_model.out_of_fold.paths),
    )
    if not folds:
        raise ModelError("A saved model needs at least one fold model; got none: train first")
    if new_model.verification_inputs.dtype != np.uint8 or new_model.verification_inputs.shape[
        1:
    ] != (size, size):
        raise ModelError(
            f"The probes must be uint8 inputs of {size} x {size}, got {new_model.verification_inputs.dtype} "
            f"{new_model.verification_inputs.shape}: make them with this model's preprocessing"
        )
    if len(new_model.verification_inputs) < MIN_VERIFICATION_INPUTS:
        raise ModelError(
            f"{MIN_VERIFICATION_INPUTS} model inputs are needed to compare Keras with ONNX Runtime, got "
            f"{len(new_model.verification_inputs)}: hand over more"
        )
    for index, model in enumerate(new_model.fold_models):
        if tuple(model.inputs[0].shape[1:]) != (size, size, 1) or len(model.outputs) != 2:
            raise ModelError(
                f"The model of fold {index} must take {size} x {size} x 1 and give logit and heat "
                f"map, got {tuple(model.inputs[0].shape[1:])} and {len(model.outputs)} outputs: "
                "add the heat map before saving"
            )
    if rows != new_model.data.images or not np.isfinite(new_model.out_of_fold.logits).all():
        raise ModelError(
            f"Out-of-fold logits must be finite, one for each of the {new_model.data.images} slices; "
            f"got {rows}, {int((~np.isfinite(new_model.out_of_fold.logits)).sum())} of them not finite: "
            "train again with a lower learning rate"
        )
    if not (np.isfinite(new_model.temperature) and new_model.temperature > 0):
        raise ModelError(
            f"The calibration temperature must be above 0, got {new_model.temperature}: fit it again"
        )


def _write_model_files(new_model: NewModel, folder: Path) -> None:
    """Write every file of the model into `folder`, the card last."""
    serving = ensemble.build_serving_model(new_model.fold_models)
    ensemble.build_probability_model(new_model.fold_models).save(folder / repository.KERAS_FILE)
    ensemble.write_onnx(serving, folder / repository.ONNX_FILE)
    difference = ensemble.verify_onnx_export(
        serving,
        folder / repository.KERAS_FILE,
        folder / repository.ONNX_FILE,
        new_model.verification_inputs[:MIN_VERIFICATION_INPUTS],
    )
    _write_oof(folder / repository.OOF_FILE, new_model.out_of_fold)
    _write_history(folder / repository.HISTORY_FILE, new_model.history)
    records = {
        name: FileRecord(*repository.hash_file(folder / name)) for name in repository.ARTIFACT_FILES
    }
    card = Card(
        id=new_model.id,
        note=new_model.note,
        created=cards.utc_now(),
        data=new_model.data,
        preprocessing=new_model.preprocessing,
        network=new_model.network,
        parameters=int(ensemble.build_logit_model(new_model.fold_models[0]).count_params()),
        settings=_strip_folders(new_model.settings),
        folds=_summarize_folds(new_model),
        metrics=new_model.metrics,
        calibration=Calibration(float(new_model.temperature), new_model.temperature_method),
        operating_point=new_model.operating_point,
        input_check=new_model.input_check.to_dict(),
        keras_onnx_max_difference=difference,
        versions=collect_versions(),
        files=records,
        audit_verdict=new_model.audit_verdict,
        trained_by=new_model.trained_by,
        parent=new_model.parent,
    )
    (folder / repository.CARD_FILE).write_bytes(cards.dump(card))


def _summarize_folds(new_model: NewModel) -> tuple[FoldRecord, ...]:
    """Summarize each fold from its rows, its history and its weights."""
    oof = new_model.out_of_fold
    records = []
    for fold, model in enumerate(new_model.fold_models):
        held_out = oof.folds == fold
        epochs = [record for record in new_model.history if record.fold == fold]
        digest, size = ensemble.hash_weights(ensemble.build_logit_model(model))
        records.append(
            FoldRecord(
                fold=fold,
                images=int(held_out.sum()),
                groups=len(set(oof.groups[held_out].tolist())),
                auc=_compute_auc(oof.labels[held_out], oof.logits[held_out]),
                epochs=len(epochs),
                seconds=round(sum(record.seconds for record in epochs), 3),
                weights_sha256=digest,
                weights_bytes=size,
            )
        )
    return tuple(records)


def _compute_auc(labels: np.ndarray, logits: np.ndarray) -> float | None:
    """Return the area under the ROC curve; None where there is only one class."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, logits)) if len(set(labels.tolist())) == 2 else None


def collect_versions() -> dict[str, str]:
    """Return Python's version and those of the packages that make a model."""
    packages = {package: version(package) for package in _PACKAGES.split()}
    return {"python": platform.python_version(), **packages}


def _strip_folders(value: Any) -> Any:
    """Reduce paths of this machine to file names: a card is passed on to others."""
    if isinstance(value, dict):
        return {key: _strip_folders(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_strip_folders(entry) for entry in value]
    if isinstance(value, os.PathLike):
        return Path(value).name
    if isinstance(value, str):
        for flavour in (PurePosixPath, PureWindowsPath):
            if flavour(value).is_absolute() or value.startswith("~"):
                return flavour(value).name
    return value


def _write_oof(path: Path, oof: OutOfFoldPredictions) -> None:
    columns = (oof.groups, oof.labels, oof.folds, oof.logits, oof.probabilities)
    hashes = oof.pixel_hashes or [""] * len(oof.paths)
    more = oof.subgroups
    _write_csv(
        path,
        (*repository.OOF_COLUMNS, *more),
        zip(
            oof.paths, *(column.tolist() for column in columns), hashes, *more.values(), strict=True
        ),
    )


def _write_history(path: Path, history: tuple[EpochRecord, ...]) -> None:
    _write_csv(path, [entry.name for entry in fields(EpochRecord)], map(astuple, history))


def _write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table; Python's floats print with all their digits."""
    # A file name need not be UTF-8: what is not comes back as it was.
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


@contextmanager
def unfinished_folder(models: Path, model_id: str) -> Iterator[Path]:
    """Make a folder to write in, held by a lock; remove it unless it was renamed away."""
    with lock.models_lock():
        _remove_stale(models)
        folder = models / f"{UNFINISHED_PREFIX}{model_id}-{secrets.token_hex(4)}"
        folder.mkdir()
        owned = _try_lock(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if owned is not None:
            os.close(owned)


def _remove_stale(models: Path) -> list[str]:
    """Remove unfinished folders without an owner. The caller holds the shelf's lock."""
    removed = []
    for folder in models.glob(f"{UNFINISHED_PREFIX}*"):
        owned = _try_lock(folder)
        try:
            old = time.time() - folder.stat().st_mtime > _STALE_AFTER_S
            if owned is not None or (sys.platform == "win32" and old):
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder.name)
        finally:
            if owned is not None:
                os.close(owned)
    return removed


def _try_lock(folder: Path) -> int | None:
    """Lock a folder without waiting; None where another process holds it (or on Windows)."""
    if sys.platform == "win32":
        return None
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
