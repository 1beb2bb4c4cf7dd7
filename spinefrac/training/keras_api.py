"""The functions that a Keras script is made of, with cross-validation by patient.

>>> model = build_cnn_model()
>>> result = train_model_with_cross_validation(model, "slices", epochs=25)
>>> result.metrics.auc, result.metrics.ci["auc"]
>>> save_model(model, "fracture.keras")
>>> label, probability = predict_fracture("new_slice.dcm", load_model("fracture.keras"))

The model is an ordinary ``keras.Model``. It takes grey values in 0…255, as
`load_and_preprocess_image` returns them; whatever scaling a network needs is one of its layers.
"""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spinefrac import imaging
from spinefrac.data.scan import load_inputs, scan
from spinefrac.data.splits import assign_folds
from spinefrac.errors import DatasetError, ModelError
from spinefrac.evaluation import calibration
from spinefrac.evaluation.metrics import Metrics, compute_metrics
from spinefrac.records import (
    CLASS_NAMES,
    Dataset,
    EpochRecord,
    GreyImage,
    OutOfFoldPredictions,
    Preprocessing,
)
from spinefrac.system import atomic
from spinefrac.training import networks
from spinefrac.training.keras_logits import get_input_size, has_sigmoid_output, predict_logits
from spinefrac.training.settings import TrainingSettings
from spinefrac.training.train_fold import FitCallbacks, fit
from spinefrac.training.workspace import RunWorkspace

if TYPE_CHECKING:
    import keras

#: Without data to choose a threshold on; a saved model has a threshold of its own.
_THRESHOLD = 0.5
_SUFFIXES = (".keras", ".h5")


class FracturePrediction(NamedTuple):
    """The result of `predict_fracture`: the predicted class and the probability of fracture."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class CrossValidationResult:
    """The result of `train_model_with_cross_validation`.

    Attributes
    ----------
    metrics : Metrics
        Of the out-of-fold predictions at a threshold of 0.5, with 95 % intervals over groups.
    out_of_fold : OutOfFoldPredictions
        Every slice's prediction by a model that never saw its group.
    history : tuple of EpochRecord
        Of all folds.
    dataset : Dataset
    """

    metrics: Metrics
    out_of_fold: OutOfFoldPredictions
    history: tuple[EpochRecord, ...]
    dataset: Dataset


def load_and_preprocess_image(
    path: str | os.PathLike[str], size: int | None = None
) -> npt.NDArray[np.float32]:
    """Read a slice and prepare it as training and serving do.

    Parameters
    ----------
    path : path
        PNG, JPEG, TIFF, BMP, DICOM or NIfTI.
    size : int, optional
        Side S of the result; 160 by default.

    Returns
    -------
    float32 array, shape (S, S, 1)
        Grey values in 0…255: windowed, cropped to the bone, padded to a square, resized.

    Raises
    ------
    ImageError
        The file cannot be read as a slice.
    """
    preprocessing = Preprocessing() if size is None else Preprocessing(size=size)
    pixels = imaging.to_input(imaging.read(path), preprocessing).pixels
    return pixels.astype(np.float32)[..., None]


def build_cnn_model(size: int | None = None, network: str = "compact") -> keras.Model:
    """Build a compiled, untrained network with a sigmoid at its end.

    Parameters
    ----------
    size : int, optional
        Side S of the square input; 160 by default.
    network : str
        One of `spinefrac.training.settings.NETWORKS`.

    Returns
    -------
    keras.Model
        Input (N, S, S, 1) in 0…255, output (N, 1), the probability of fracture.
    """
    import keras

    network_model = networks.build_network(network, size or Preprocessing().size)
    probability = keras.layers.Activation("sigmoid", name="probability")(network_model.output)
    model = keras.Model(network_model.input, probability, name=network)
    _compile(model)
    return model


def train_model_with_cross_validation(
    model: keras.Model,
    folder: str | os.PathLike[str],
    epochs: int = 25,
    *,
    folds: int = 5,
    settings: TrainingSettings | None = None,
    verbose: bool = True,
) -> CrossValidationResult:
    """Evaluate a model by grouped cross-validation, then train it on all slices.

    Each fold trains a new copy of `model` and predicts the patients that it left out; the result
    describes these predictions. At last `model` itself is trained on every slice, for as many
    epochs. Held-out slices decide nothing: neither the epochs nor the weights.

    Parameters
    ----------
    model : keras.Model
        Input (S, S, 1) or (S, S, 3) in 0…255, one output (sigmoid or logit). Trained in place.
    folder : path
        Labelled slices, in one of the layouts of `spinefrac.data.scan`.
    epochs, folds : int
    settings : TrainingSettings, optional
        Everything else; its epochs, folds and image size are not used.
    verbose : bool
        Print a line per epoch.

    Returns
    -------
    CrossValidationResult

    Raises
    ------
    DatasetError, TrainingError, ModelError
    """
    plan, dataset = _create_workspace(model, folder, epochs, folds, settings or TrainingSettings())
    callbacks = FitCallbacks(on_epoch=_print_epoch if verbose else None)
    logits, history = _cross_validate(model, plan, callbacks)
    fit(model, plan, -1, callbacks)
    _compile(model)
    probabilities = calibration.apply_temperature(logits, temperature=1.0)
    return CrossValidationResult(
        metrics=compute_metrics(plan.labels, probabilities, plan.groups, _THRESHOLD),
        out_of_fold=OutOfFoldPredictions(
            paths=dataset.paths,
            groups=plan.groups,
            labels=plan.labels,
            folds=plan.folds,
            logits=logits,
            probabilities=probabilities,
            positions=dataset.positions,
        ),
        history=tuple(history),
        dataset=dataset,
    )


def _cross_validate(
    model: keras.Model, plan: RunWorkspace, callbacks: FitCallbacks
) -> tuple[npt.NDArray[np.float64], list[EpochRecord]]:
    """Return the out-of-fold logits (N,) of copies of a model, and the epochs of all folds."""
    import keras

    logits = np.empty(len(plan.labels), np.float64)
    history: list[EpochRecord] = []
    keras.utils.set_random_seed(plan.settings.seed)
    for fold in range(plan.settings.folds):
        # A clone has the model's layers and new random weights: no fold learns from another.
        copy = keras.models.clone_model(model)
        history += fit(copy, plan, fold, callbacks)
        held_out = np.flatnonzero(plan.folds == fold)
        logits[held_out] = predict_logits(copy, plan.inputs[held_out])
    return logits, history


def evaluate_model(
    model: keras.Model, data: str | os.PathLike[str] | tuple[npt.ArrayLike, npt.ArrayLike]
) -> dict[str, Any]:
    """Evaluate a model on slices that it was not trained on.

    Parameters
    ----------
    model : keras.Model
    data : path or (images, labels)
        A labelled folder, or images (N, S, S), (N, S, S, 1) or (N, S, S, 3) in 0…255 with
        labels (N,); colour becomes grey by the mean of its channels. With arrays, every slice
        counts as a patient of its own, so the intervals are too narrow where a patient has
        several slices; with a folder they are right.

    Returns
    -------
    dict
        accuracy, precision, recall, specificity, f1, auc, average_precision, brier, ece,
        confusion_matrix [[tn, fp], [fn, tp]], ci and more, at a threshold of 0.5.

    Raises
    ------
    DatasetError, ModelError
    """
    side = get_input_size(model)
    if isinstance(data, tuple):
        labels = np.asarray(data[1]).ravel()
        pixels = _to_grey_images(np.asarray(data[0]), len(labels), side)
        groups: npt.NDArray[Any] = np.arange(len(labels)).astype(str)
    else:
        dataset = scan(data)
        pixels = load_inputs(dataset, Preprocessing(size=side))
        labels, groups = dataset.labels, dataset.groups
    probabilities = calibration.apply_temperature(predict_logits(model, pixels), temperature=1.0)
    return compute_metrics(labels, probabilities, groups, _THRESHOLD).to_dict()


def _to_grey_images(images: npt.NDArray[Any], count: int, side: int) -> npt.NDArray[Any]:
    """Return images as (N, S, S) in 0…255; DatasetError where they are something else."""
    if images.ndim == 4 and images.shape[3] in (1, 3):  # grey, or grey stored as colour
        images = images[..., 0] if images.shape[3] == 1 else images.mean(axis=3)
    if images.shape != (count, side, side):
        raise DatasetError(
            f"Expected {count} images of {side} × {side} pixels, one a label, (N, {side}, {side}) "
            f"with 1, 3 or no channels at the end, got {images.shape}: resize them."
        )
    if images.dtype.kind not in "uif" or not np.isfinite(images).all():
        raise DatasetError(f"Expected images of finite numbers, got {images.dtype} or gaps in it.")
    if count and images.dtype.kind == "f" and 0.0 < images.max() <= 1.0:
        raise DatasetError(
            "Expected grey values in 0…255, got values in 0…1: multiply the images by 255."
        )
    return images


def save_model(model: keras.Model, path: str | os.PathLike[str]) -> Path:
    """Write a model to one ``.keras`` or ``.h5`` file, atomically.

    Keras writes in place, so a process that is killed meanwhile loses the old file and the new
    one; here a temporary file is renamed at the end.

    Returns
    -------
    Path

    Raises
    ------
    ModelError
        The name ends differently, or the file cannot be written.
    """
    target = _validate_model_path(path)
    try:
        with atomic.replacing(target, suffix=target.suffix) as temporary:
            model.save(temporary)
    except OSError as error:
        raise ModelError(
            f"cannot write {target.name}: {error.strerror or error}; the old file, if any, is "
            "untouched; choose a folder that exists and has room"
        ) from error
    return target


def load_model(path: str | os.PathLike[str]) -> keras.Model:
    """Load a model from a ``.keras`` or ``.h5`` file, without running code from it.

    Raises
    ------
    ModelError
        The file is missing, damaged, or needs code that it contains.
    """
    import keras

    target = _validate_model_path(path)
    if not target.is_file():
        raise ModelError(f"no file {target}; name an existing .keras or .h5 file")
    try:
        return keras.models.load_model(target, safe_mode=True)
    except (ValueError, TypeError, OSError, KeyError, zipfile.BadZipFile) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"{target.name} cannot be loaded as a Keras model: {reason}; save it again with "
            "save_model, using built-in layers only"
        ) from error


def predict_fracture(path: str | os.PathLike[str], model: keras.Model) -> FracturePrediction:
    """Classify one slice.

    Parameters
    ----------
    path : path
        PNG, JPEG, TIFF, BMP, DICOM or NIfTI.
    model : keras.Model

    Returns
    -------
    FracturePrediction
        ``label`` (``fracture`` at a probability of 0.5 or more) and ``probability``. Not a
        medical device: for research and teaching only.

    Raises
    ------
    ImageError, ModelError
    """
    preprocessing = Preprocessing(size=get_input_size(model))
    pixels: GreyImage = imaging.to_input(imaging.read(path), preprocessing).pixels
    probability = float(calibration.apply_temperature(predict_logits(model, pixels[None]), 1.0)[0])
    return FracturePrediction(CLASS_NAMES[int(probability >= _THRESHOLD)], probability)


def _create_workspace(
    model: keras.Model,
    folder: str | os.PathLike[str],
    epochs: int,
    folds: int,
    settings: TrainingSettings,
) -> tuple[RunWorkspace, Dataset]:
    """Scan the folder and split it for a model of its own input size."""
    from dataclasses import replace

    size = get_input_size(model)
    settings = replace(
        settings,
        epochs=epochs,
        folds=folds,
        preprocessing=replace(settings.preprocessing, size=size),
    )
    dataset = scan(folder, group_by=settings.group_by)
    plan = RunWorkspace(
        folder=Path(),  # nothing is written: the model stays in memory
        settings=settings,
        inputs=load_inputs(dataset, settings.preprocessing),
        labels=dataset.labels,
        groups=dataset.groups,
        folds=assign_folds(dataset.labels, dataset.groups, folds, settings.seed),
    )
    return plan, dataset


def _compile(model: keras.Model) -> None:
    """Make ``model.fit`` and ``model.evaluate`` work as users of Keras expect."""
    import keras

    loss = keras.losses.BinaryCrossentropy(from_logits=not has_sigmoid_output(model))
    model.compile("adam", loss, metrics=["accuracy"])


def _print_epoch(record: EpochRecord) -> None:
    fold = "all slices" if record.fold < 0 else f"fold {record.fold + 1}"
    held_out = "" if record.fold < 0 else f", held out: AUC {record.val_auc:.3f}"
    print(f"{fold}, epoch {record.epoch}: loss {record.loss:.3f}{held_out}", flush=True)


def _validate_model_path(path: str | os.PathLike[str]) -> Path:
    target = Path(path)
    if target.suffix.lower() not in _SUFFIXES:
        raise ModelError(f"expected a file name ending in .keras or .h5, got {target.name!r}")
    return target
