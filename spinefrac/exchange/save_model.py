"""Save the networks of a cross-validation as one model, for people (Keras) and serving (ONNX).

`spinefrac.store.saving` makes the folder appear whole or not at all; what goes into it is
written, compared and hashed here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinefrac import redaction
from spinefrac.errors import ModelError
from spinefrac.evaluation.baseline_comparison import BaselineComparison
from spinefrac.evaluation.metrics import Metrics
from spinefrac.evaluation.operating_point import OperatingPoint
from spinefrac.evaluation.ranking import roc_auc
from spinefrac.evaluation.scans.scan_metrics import ScanMetrics
from spinefrac.exchange import ensemble
from spinefrac.records import EpochRecord, GreyImage, OutOfFoldPredictions, Preprocessing
from spinefrac.store import card as cards
from spinefrac.store import input_reference_fit, repository, saving
from spinefrac.store.card import Calibration, Card, DataSummary, FileRecord, FoldRecord, ParentModel
from spinefrac.store.input_reference import FittedReference
from spinefrac.store.input_reference_fit import TrainingFeatures
from spinefrac.system.versions import collect_versions

if TYPE_CHECKING:
    import keras

    from spinefrac.store.input_statistics import InputCheckStatistics

#: Number of slices on which Keras and ONNX Runtime are compared.
MIN_VERIFICATION_INPUTS = 16


@dataclass(frozen=True, kw_only=True)
class NewModel:
    """The result of a cross-validation, to be saved.

    Attributes
    ----------
    id, note : str
        Name of the model, and what it is for, in the user's words.
    network : str
        Name of the architecture in `training.networks`.
    settings : dict
        Training settings in JSON's types. A path in them is reduced to its last part.
    preprocessing : Preprocessing
        How a slice becomes an input.
    fold_models : sequence of keras.Model
        In the order of the folds; input ``image`` (N, S, S, 1) in 0…255, outputs [logit
        (N, 1), heat map (N, h, w)].
    out_of_fold : OutOfFoldPredictions
        N rows, probabilities calibrated with `temperature`.
    history : tuple of EpochRecord
    metrics : Metrics
        Of `out_of_fold` at the operating point.
    temperature : float
        Divides the mean logit before the sigmoid.
    temperature_method : str
        How the temperature was fitted, in words.
    operating_point : OperatingPoint
    data : DataSummary
    input_check : InputCheckStatistics
        Fitted on the training inputs.
    training_inputs : uint8 array, shape (N, S, S), or None
        Those of `of_slices`, row by row. Without them the input check knows statistics only.
    reference_rows : int64 array, or None
        Of `training_inputs`, those that new slices are compared with; None for all.
    synthetic : bool
        Whether all of them are those of a phantom.
    verification_inputs : uint8 array, shape (>= 16, S, S)
        Model inputs on which Keras and ONNX Runtime are compared.
    audit_verdict : str or None
    baselines : tuple of BaselineComparison
        Against the audit's baselines in the same folds.
    trained_by : str
        User who submitted the run, where users are known.
    parent : ParentModel or None
        The saved model that training started from.
    scan_metrics : ScanMetrics or None
        Where `out_of_fold`, `metrics` and `operating_point` are of scans.
    slice_predictions : OutOfFoldPredictions or None
        Those of the slices then.
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
    training_inputs: GreyImage | None = None
    reference_rows: npt.NDArray[np.int64] | None = None
    synthetic: bool = False
    audit_verdict: str | None = None
    baselines: tuple[BaselineComparison, ...] = ()
    trained_by: str = ""
    parent: ParentModel | None = None
    scan_metrics: ScanMetrics | None = None
    slice_predictions: OutOfFoldPredictions | None = None

    @property
    def of_slices(self) -> OutOfFoldPredictions:
        """The out-of-fold predictions of slices, whatever the unit."""
        return self.slice_predictions or self.out_of_fold


def save(new_model: NewModel) -> repository.SavedModel:
    """Write a model's folder, or leave nothing.

    Parameters
    ----------
    new_model : NewModel

    Returns
    -------
    SavedModel
        As `repository.load` reads it back, verified.

    Raises
    ------
    ModelError
        The name is in use or not valid, a part does not fit the others, ONNX Runtime and
        Keras disagree on the verification inputs, or the disk is full.
    """
    _check_new_model(new_model)
    with saving.create_model_folder(new_model.id) as folder:
        _write_model_files(new_model, folder)
    return repository.load(new_model.id)


def _check_new_model(new_model: NewModel) -> None:
    """Refuse parts that do not fit together, before anything is written."""
    saving.check_id_unused(new_model.id)
    if not new_model.fold_models:
        raise ModelError("A saved model needs at least one fold model; got none: train first")
    _check_verification_inputs(new_model.verification_inputs, new_model.preprocessing.size)
    for index, model in enumerate(new_model.fold_models):
        _check_fold_model(index, model, new_model.preprocessing.size)
    _check_out_of_fold(new_model.of_slices, new_model.data.images)
    if not (np.isfinite(new_model.temperature) and new_model.temperature > 0):
        raise ModelError(
            f"The calibration temperature must be above 0, got {new_model.temperature}: fit it "
            "again"
        )


def _check_verification_inputs(inputs: GreyImage, size: int) -> None:
    """Refuse inputs of another type or size than the model's, or too few of them."""
    if inputs.dtype != np.uint8 or inputs.shape[1:] != (size, size):
        raise ModelError(
            f"The verification inputs must be uint8 of {size} x {size}, got {inputs.dtype} "
            f"{inputs.shape}: make them with this model's preprocessing"
        )
    if len(inputs) < MIN_VERIFICATION_INPUTS:
        raise ModelError(
            f"{MIN_VERIFICATION_INPUTS} model inputs are needed to compare Keras with ONNX "
            f"Runtime, got {len(inputs)}: pass more"
        )


def _check_fold_model(index: int, model: keras.Model, size: int) -> None:
    """Refuse a fold's network whose input or outputs are not those of `NewModel`."""
    shape = tuple(model.inputs[0].shape[1:])
    if shape != (size, size, 1) or len(model.outputs) != 2:
        raise ModelError(
            f"The model of fold {index} must take {size} x {size} x 1 and return logit and heat "
            f"map, got {shape} and {len(model.outputs)} outputs: add the heat map before saving"
        )


def _check_out_of_fold(out_of_fold: OutOfFoldPredictions, images: int) -> None:
    """Refuse out-of-fold predictions that are not finite or not one for each slice."""
    rows = len(out_of_fold.paths)
    not_finite = int((~np.isfinite(out_of_fold.logits)).sum())
    if rows != images or not_finite:
        raise ModelError(
            f"Out-of-fold logits must be finite, one for each of the {images} slices; "
            f"got {rows}, {not_finite} of them not finite: train again with a lower learning rate"
        )


def _write_model_files(new_model: NewModel, folder: Path) -> None:
    """Write every file of the model into `folder`, the card last."""
    difference = _write_networks(new_model, folder)
    reference = _fit_reference(new_model, folder / repository.ONNX_FILE)
    files = list(repository.ARTIFACT_FILES)
    if reference:
        (folder / repository.REFERENCE_FILE).write_bytes(reference.to_bytes())
        files.append(repository.REFERENCE_FILE)
    saving.write_out_of_fold(folder / repository.OOF_FILE, new_model.out_of_fold)
    saving.write_history(folder / repository.HISTORY_FILE, new_model.history)
    card = Card(
        id=new_model.id,
        note=new_model.note,
        created=cards.utc_now(),
        data=new_model.data,
        preprocessing=new_model.preprocessing,
        network=new_model.network,
        parameters=int(ensemble.build_logit_model(new_model.fold_models[0]).count_params()),
        settings=redaction.clean_settings(_strip_folders(new_model.settings)),
        folds=_summarize_folds(new_model),
        metrics=new_model.metrics,
        calibration=Calibration(float(new_model.temperature), new_model.temperature_method),
        operating_point=new_model.operating_point,
        input_check=new_model.input_check.to_dict(),
        keras_onnx_max_difference=difference,
        versions=collect_versions(cards.RECORDED_PACKAGES),
        files={name: FileRecord(*repository.hash_file(folder / name)) for name in files},
        audit_verdict=new_model.audit_verdict,
        baselines=new_model.baselines,
        input_reference=reference.summary if reference else None,
        synthetic=new_model.synthetic,
        scan_metrics=new_model.scan_metrics,
        trained_by=new_model.trained_by,
        parent=new_model.parent,
    )
    (folder / repository.CARD_FILE).write_bytes(cards.dump(card))


def _write_networks(new_model: NewModel, folder: Path) -> float:
    """Write the Keras and the ONNX file; return the largest difference of their logits."""
    keras_path, onnx_path = folder / repository.KERAS_FILE, folder / repository.ONNX_FILE
    serving = ensemble.build_serving_model(new_model.fold_models)
    ensemble.build_probability_model(new_model.fold_models).save(keras_path)
    ensemble.write_onnx(serving, onnx_path)
    inputs = new_model.verification_inputs[:MIN_VERIFICATION_INPUTS]
    return ensemble.verify_onnx_export(serving, keras_path, onnx_path, inputs)


def _fit_reference(new_model: NewModel, onnx_path: Path) -> FittedReference | None:
    """Fit what the networks see of the training inputs; None where they give no features."""
    source = ensemble.feature_source(new_model.fold_models)
    if new_model.training_inputs is None or not source.sizes:
        return None
    oof = new_model.of_slices
    rows = new_model.reference_rows
    if rows is None:
        rows = np.arange(len(oof.paths))
    rows = rows[input_reference_fit.select_rows(len(rows))]
    inputs = np.asarray(new_model.training_inputs[rows])
    training = TrainingFeatures(
        features=ensemble.compute_features(onnx_path, inputs),
        sizes=source.sizes,
        inputs=inputs,
        groups=oof.groups[rows],
        labels=oof.labels[rows],
        folds=oof.folds[rows],
        probabilities=oof.probabilities[rows],
        is_shared=source.is_shared,
    )
    return input_reference_fit.fit_reference(training)


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
                auc=roc_auc(oof.labels[held_out], oof.logits[held_out]),
                epochs=len(epochs),
                seconds=round(sum(record.seconds for record in epochs), 3),
                weights_sha256=digest,
                weights_bytes=size,
            )
        )
    return tuple(records)


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
