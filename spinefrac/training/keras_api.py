"""The functions that a Keras script is made of, with cross-validation by patient.

>>> image = load_and_preprocess_image("path_to_ct_image.jpg")
>>> model = build_cnn_model()
>>> trained_model = train_model_with_cross_validation(model, "path_to_image_directory", epochs=25)
>>> evaluate_model(trained_model, validation_generator)
>>> save_model(trained_model, "fracture_detection_model.h5")
>>> model = load_model("fracture_detection_model.h5")
>>> prediction = predict_fracture("path_to_new_ct_scan_image.jpg", model)
>>> print(f"Prediction for {new_image_path}: {prediction}")

The model is an ordinary ``keras.Model``. It takes grey values in 0…255, as
`load_and_preprocess_image` returns them; whatever scaling a network needs is one of its layers.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spinefrac import imaging
from spinefrac.data.scan import load_inputs, scan
from spinefrac.data.splits import DEFAULT_FOLDS, assign_folds, count_folds
from spinefrac.errors import DatasetError, ModelError, SpinefracError, TrainingError
from spinefrac.evaluation import calibration
from spinefrac.evaluation.metrics import compute_metrics
from spinefrac.exchange.networks import keras_files
from spinefrac.exchange.networks.keras_files import SUFFIXES
from spinefrac.records import (
    CLASS_NAMES,
    Dataset,
    EpochRecord,
    GreyImage,
    OutOfFoldPredictions,
    Preprocessing,
)
from spinefrac.system import atomic
from spinefrac.training import arguments, cross_validated, initial_state, labelled_images, networks
from spinefrac.training.cross_validated import CrossValidationResult
from spinefrac.training.initial_state import InitialState
from spinefrac.training.keras_logits import get_input_size, make_loss, predict_logits
from spinefrac.training.settings import NETWORK_WEIGHTS, TrainingSettings
from spinefrac.training.train_fold import FitCallbacks, fit
from spinefrac.training.workspace import RunWorkspace
from spinefrac.wording import explain_fewer_folds

if TYPE_CHECKING:
    import keras

#: Without data to choose a threshold on; a saved model has a threshold of its own.
_THRESHOLD = 0.5

_TRAIN_CALL = "train_model_with_cross_validation(model, folder, epochs)"
_EVALUATE_CALL = "evaluate_model(model, data)"
_PREDICT_CALL = "predict_fracture(path, model)"
_SAVE_CALL = "save_model(model, path)"


class FracturePrediction(NamedTuple):
    """The result of `predict_fracture`: the predicted class and the probability of fracture."""

    label: str
    probability: float

    def __str__(self) -> str:
        percent = f"{100 * self.probability:.0f}"
        if percent in ("0", "100") and 0 < self.probability < 1:
            percent = "less than 1" if self.probability < _THRESHOLD else "more than 99"
        return f"{self.label} (probability of fracture {percent} %)"

    def __float__(self) -> float:
        return self.probability


def load_and_preprocess_image(
    path: str | os.PathLike[str], size: int | None = None
) -> npt.NDArray[np.float32]:
    """Read a slice and prepare it as training and serving do.

    Parameters
    ----------
    path : path
        PNG, JPEG, TIFF, BMP, DICOM or NIfTI; also its bytes, an open file, a PIL image or an array.
    size : int, optional
        Side S of the result; 224 by default.

    Returns
    -------
    float32 array, shape (S, S, 1)
        Grey values in 0…255: windowed, cropped to the bone, padded to a square, resized.

    Raises
    ------
    ImageError, TrainingError
        The file cannot be read as a slice, or the size is none.
    """
    side = Preprocessing().size if size is None else arguments.require_size(size)
    ct = arguments.read_slice(path, "load_and_preprocess_image(path)")
    pixels = imaging.to_input(ct, Preprocessing(size=side)).pixels
    return pixels.astype(np.float32)[..., None]


def build_cnn_model(
    size: int | None = None,
    network: str = "compact",
    weights: str | os.PathLike[str] | None = None,
) -> keras.Model:
    """Build a compiled network with a sigmoid at its end.

    Parameters
    ----------
    size : int, optional
        Side S of the square input; 224 by default.
    network : str
        One of `spinefrac.training.settings.NETWORKS`.
    weights : str or path, optional
        ``spine`` (of ``compact``, taught with synthetic fractures), ``none`` (random),
        ``imagenet`` (of the other networks), or a weights file. By default ``spine`` for
        ``compact`` and ``none`` for the others.

    Returns
    -------
    keras.Model
        Input (N, S, S, 1) in 0…255, output (N, 1), the probability of fracture.

    Raises
    ------
    TrainingError
        The size, the network or the weights are none.
    """
    import keras

    side = Preprocessing().size if size is None else arguments.require_size(size)
    if not isinstance(network, str):
        raise TrainingError(
            f"Expected the name of a network, got {arguments.describe(network)}: pass one, such as "
            "network='compact'"
        )
    networks.validate_network(network, None)
    if weights is None:
        weights = NETWORK_WEIGHTS[network][0]
    elif not isinstance(weights, str | os.PathLike):
        raise TrainingError(
            f"Expected a name or a file for weights, got {arguments.describe(weights)}: pass one, "
            f"such as weights={NETWORK_WEIGHTS[network][0]!r}"
        )
    network_model = networks.build_network(network, side, os.fsdecode(weights))
    probability = keras.layers.Activation("sigmoid", name="probability")(network_model.output)
    model = keras.Model(network_model.input, probability, name=network)
    _compile(model)
    return model


def train_model_with_cross_validation(
    model: keras.Model,
    folder: str | os.PathLike[str],
    epochs: int = 25,
    folds: int | None = None,
    *,
    settings: TrainingSettings | None = None,
    initial_weights: str = "given",
    verbose: bool = True,
) -> keras.Model:
    """Evaluate a model by grouped cross-validation, then train it on all slices.

    Each fold trains the model from the same weights and predicts the patients that it left out;
    ``cross_validation`` of the result describes these predictions. At last the model is trained
    on every slice, for as many epochs. Held-out slices decide nothing: neither the epochs nor the
    weights.

    Parameters
    ----------
    model : keras.Model
        Input (S, S, 1) or (S, S, 3) in 0…255; one output (a probability or a logit of fracture)
        or two (of no fracture and fracture). Trained in place. Layers that are not trainable stay
        as they are, and so do adapted statistics.
    folder : path
        Labelled slices, in one of the layouts of `spinefrac.data.scan`.
    epochs : int
    folds : int, optional
        By default five, or the most that keep whole groups of both classes in every fold.
    settings : TrainingSettings, optional
        Everything else; its network, weights, epochs, folds and image size are not used.
    initial_weights : str
        ``given``: every fold starts from the weights that the model has. A model that was trained
        on these slices by this function before starts from the weights that it had before that.
        ``random``: trainable weights are drawn anew for every fold.
    verbose : bool
        Print a line per epoch, and what should be known of folds and weights.

    Returns
    -------
    keras.Model
        `model` itself, with the attribute ``cross_validation``, a `CrossValidationResult`; its
        numbers are also reached as ``metrics.auc`` and the like. The attribute is not saved.

    Raises
    ------
    DatasetError, TrainingError, ModelError
    """
    arguments.require_model(model, _TRAIN_CALL, (folder,))
    settings = _check_settings(settings, verbose, epochs, folds)
    workspace, dataset = _create_workspace(model, folder, settings)
    start = initial_state.capture(model, dataset, initial_weights)
    # Of the settings' weights only the learning rate is left, as the model brings its own.
    weights = "spine" if start.is_spine else "none"
    workspace = replace(workspace, settings=replace(workspace.settings, weights=weights))
    notes = [*filter(None, [_explain_folds(settings, workspace)]), *start.notes]
    for note in notes if verbose else ():
        print(note, flush=True)
    callbacks = FitCallbacks(on_epoch=_print_epoch if verbose else None)
    loss = model.loss if getattr(model, "compiled", False) else None
    with _undo_on_failure(start), _wrap_keras_errors("The model cannot be trained", TrainingError):
        logits, history = _cross_validate(model, workspace, callbacks, start)
        start.apply(-1)
        fit(model, workspace, -1, callbacks=callbacks)
    _compile(model, loss)
    cross_validated.attach(model, _summarize(dataset, workspace, logits, history, notes, start))
    return model


def _check_settings(settings: Any, verbose: Any, epochs: Any, folds: Any) -> TrainingSettings:
    """Return the settings of a training with its epochs and folds, every one of them checked."""
    if not isinstance(settings, TrainingSettings | None):
        raise TrainingError(
            f"Expected TrainingSettings for settings, got {arguments.describe(settings)}: make "
            "them with spinefrac.training.settings.TrainingSettings()"
        )
    if not isinstance(verbose, bool | int | str):
        raise TrainingError(
            f"Expected True or False for verbose, got {arguments.describe(verbose)}: pass one"
        )
    return replace(
        settings or TrainingSettings(),
        epochs=arguments.require_count("epochs", epochs),
        folds=None if folds is None else arguments.require_count("folds", folds),
    )


def _create_workspace(
    model: keras.Model, folder: Any, settings: TrainingSettings
) -> tuple[RunWorkspace, Dataset]:
    """Scan the folder and split it for a model of its own input size."""
    path = arguments.require_path(
        folder, "a folder of labelled slices", DatasetError, _TRAIN_CALL, (model,)
    )
    size = get_input_size(model)
    settings = replace(settings, preprocessing=replace(settings.preprocessing, size=size))
    dataset = scan(path, group_by=settings.group_by)
    workspace = RunWorkspace(
        folder=Path(),  # nothing is written: the model stays in memory
        settings=settings,
        inputs=load_inputs(dataset, settings.preprocessing),
        labels=dataset.labels,
        groups=dataset.groups,
        folds=assign_folds(dataset.labels, dataset.groups, settings.folds, settings.seed),
    )
    return workspace, dataset


def _explain_folds(settings: TrainingSettings, workspace: RunWorkspace) -> str:
    if settings.folds is not None:
        return ""
    return explain_fewer_folds(count_folds(workspace.folds), DEFAULT_FOLDS)


def _cross_validate(
    model: keras.Model, workspace: RunWorkspace, callbacks: FitCallbacks, start: InitialState
) -> tuple[npt.NDArray[np.float64], list[EpochRecord]]:
    """Return the out-of-fold logits (N,), and the epochs of all folds."""
    logits = np.empty(len(workspace.labels), np.float64)
    history: list[EpochRecord] = []
    for fold in range(workspace.n_folds):
        start.apply(fold)  # no fold learns from another
        history += fit(model, workspace, fold, callbacks=callbacks)
        held_out = np.flatnonzero(workspace.folds == fold)
        logits[held_out] = predict_logits(model, workspace.inputs[held_out])
    return logits, history


@contextmanager
def _undo_on_failure(start: InitialState) -> Iterator[None]:
    """Give a model its own weights back where training does not end."""
    try:
        yield
    except BaseException:
        start.restore()
        raise


def _summarize(
    dataset: Dataset,
    workspace: RunWorkspace,
    logits: npt.NDArray[np.float64],
    history: list[EpochRecord],
    notes: list[str],
    start: InitialState,
) -> CrossValidationResult:
    probabilities = calibration.apply_temperature(logits, temperature=1.0)
    return CrossValidationResult(
        metrics=compute_metrics(workspace.labels, probabilities, workspace.groups, _THRESHOLD),
        out_of_fold=OutOfFoldPredictions(
            paths=dataset.paths,
            groups=workspace.groups,
            labels=workspace.labels,
            folds=workspace.folds,
            logits=logits,
            probabilities=probabilities,
            positions=dataset.positions,
        ),
        history=tuple(history),
        dataset=dataset,
        preprocessing=workspace.settings.preprocessing,
        notes=tuple(notes),
        initial_state=start.values,
    )


def evaluate_model(model: keras.Model, data: Any, *, positive_class: int = 1) -> dict[str, Any]:
    """Evaluate a model on slices that it was not trained on.

    Parameters
    ----------
    model : keras.Model
    data : path, (images, labels), iterator or data set
        A labelled folder; images (N, S, S), (N, S, S, 1) or (N, S, S, 3) in 0…255 with labels
        (N,) or one-hot (N, 2), as a tuple or list; an iterator of ``ImageDataGenerator``; a
        ``keras.utils.PyDataset``; a ``tf.data.Dataset``. Where these have names of classes, they
        say which label is the fracture, else it is 1. Colour becomes grey by the mean of its
        channels; images of another size than the model's are prepared as a folder's slices. With
        anything but a folder, every slice counts as a patient of its own, so the intervals are
        too narrow where a patient has several slices.
    positive_class : int
        The class, 0 or 1, of which the model gives the probability (of two outputs: the column)
        that is the fracture. It is 1 where the model was trained by
        `train_model_with_cross_validation`; 0 where Keras trained it on folders named ``fracture``
        and ``normal``, which it numbers by the alphabet.

    Returns
    -------
    dict
        accuracy, precision, recall, specificity, f1, auc, average_precision, brier, ece,
        confusion_matrix [[tn, fp], [fn, tp]], ci, notes and more, at a threshold of 0.5.

    Raises
    ------
    DatasetError, ModelError
    """
    arguments.require_model(model, _EVALUATE_CALL, (data,))
    _check_class(positive_class)
    preprocessing, notes = _get_preprocessing(model), tuple[str, ...]()
    if isinstance(data, str | os.PathLike):
        path = arguments.require_path(data, "a labelled folder", DatasetError, _EVALUATE_CALL)
        dataset = scan(path)
        pixels: npt.NDArray[Any] = load_inputs(dataset, preprocessing)
        labels, groups = dataset.labels, dataset.groups
    else:
        # Arrays are the caller's own to scale; what a generator does stands elsewhere.
        scalable = not isinstance(data, tuple | list) and initial_state.takes_0_255(model)
        found = labelled_images.collect(data, preprocessing, takes_0_255=scalable)
        pixels, labels, notes = found.pixels, found.labels, found.notes
        groups = np.arange(len(labels)).astype(str)
    probabilities = _predict_probabilities(model, pixels, positive_class)
    metrics = compute_metrics(labels, probabilities, groups, _THRESHOLD)
    notes = (*notes, *_suspect_other_class(metrics.ci.get("auc"), positive_class))
    return replace(metrics, notes=(*metrics.notes, *notes)).to_dict()


def _check_class(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value not in (0, 1):
        raise ModelError(
            f"Expected 0 or 1 for positive_class, got {arguments.describe(value)}: pass the class "
            "that is the fracture"
        )


def _suspect_other_class(auc: tuple[float, float] | None, positive_class: int) -> list[str]:
    """Return a note where a model tells the classes apart, and the wrong way round."""
    if auc is None or not auc[1] < _THRESHOLD:
        return []
    return [
        "The AUC is below 0.5 with its whole interval: the model may give the probability of the "
        f"other class; if so, pass positive_class={1 - positive_class}."
    ]


def _get_preprocessing(model: keras.Model) -> Preprocessing:
    """Return how slices become a model's input: as in its training, where that is known."""
    size = get_input_size(model)
    result = cross_validated.get_result(model)
    return replace(result.preprocessing if result else Preprocessing(), size=size)


def _predict_probabilities(
    model: keras.Model, pixels: npt.NDArray[Any], positive_class: int
) -> npt.NDArray[np.float64]:
    """Return probabilities of fracture (N,) for model inputs (N, S, S)."""
    with _wrap_keras_errors("The model cannot predict", ModelError):
        logits = predict_logits(model, pixels)
    if not np.isfinite(logits).all():
        raise ModelError(
            "The model returns values that are no numbers: its weights are damaged, or it was "
            "trained with a loss that diverged; train it again with a lower learning rate"
        )
    return calibration.apply_temperature(logits if positive_class else -logits, temperature=1.0)


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
    target = arguments.require_path(path, "the file to write", ModelError, _SAVE_CALL, (model,))
    arguments.require_model(model, _SAVE_CALL, (path,))
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise ModelError(f"expected a file name ending in .keras or .h5, got {target.name!r}")
    if target.is_dir() or not target.parent.is_dir():
        reason = "is a folder" if target.is_dir() else f"has no folder {target.parent} to lie in"
        raise ModelError(f"cannot write {target.name}: it {reason}; choose a folder that exists")
    try:
        with (
            atomic.replacing(target, suffix=suffix) as temporary,
            _wrap_keras_errors(f"cannot write {target.name}", ModelError),
        ):
            model.save(temporary)
    except OSError as error:
        raise ModelError(
            f"cannot write {target.name}: {error.strerror or error}; the old file, if any, is "
            "untouched; choose a folder that exists and has room"
        ) from error
    return target


def load_model(path: str | os.PathLike[str]) -> keras.Model:
    """Load a model from a ``.keras`` or ``.h5`` file, without running code from it.

    Parameters
    ----------
    path : path
        A file of Keras 3, or an ``.h5`` file of Keras 2; also its bytes or an open file. A loss,
        an optimizer or metrics that Keras cannot restore are replaced by those of
        `build_cnn_model`, with a warning.

    Raises
    ------
    ModelError
        The file is missing, damaged, or needs code that it contains.
    """
    with _open_as_path(path) as target:
        model = keras_files.load(target, compile=True)
    if not model.compiled:
        with suppress(ModelError):  # of a model for something else, which predicting will say
            _compile(model)
    return model


@contextmanager
def _open_as_path(source: Any) -> Iterator[Path]:
    """Yield the path of a model file, of which people may have the bytes only."""
    call = "load_model(path)"
    if callable(getattr(source, "read", None)):
        try:
            source = source.read()
        except Exception as error:
            raise ModelError(
                f"The open file cannot be read ({type(error).__name__}): pass its path"
            ) from error
        if isinstance(source, str):
            raise ModelError("The file is open as text: open it with open(path, 'rb')")
    if isinstance(source, bytes | bytearray | memoryview):
        with tempfile.TemporaryDirectory(prefix="spinefrac-") as folder:
            target = Path(folder, "model")
            target.write_bytes(source)
            yield target
        return
    target = arguments.require_path(source, "a model file", ModelError, call)
    if target.suffix.lower() not in SUFFIXES and not target.is_dir():
        raise ModelError(f"expected a file name ending in .keras or .h5, got {target.name!r}")
    yield target


def predict_fracture(
    path: str | os.PathLike[str], model: keras.Model, *, positive_class: int = 1
) -> FracturePrediction:
    """Classify one slice.

    Parameters
    ----------
    path : path
        PNG, JPEG, TIFF, BMP, DICOM or NIfTI; also its bytes, an open file, a PIL image or an
        array. What `load_and_preprocess_image` returned is not prepared again.
    model : keras.Model
    positive_class : int
        As in `evaluate_model`.

    Returns
    -------
    FracturePrediction
        ``label`` (``fracture`` at a probability of 0.5 or more) and ``probability``. Not a
        medical device: for research and teaching only.

    Raises
    ------
    ImageError, ModelError
    """
    arguments.require_model(model, _PREDICT_CALL, (path,))
    _check_class(positive_class)
    pixels = _prepare_slice(path, _get_preprocessing(model), model)
    probability = float(_predict_probabilities(model, pixels[None], positive_class)[0])
    return FracturePrediction(CLASS_NAMES[int(probability >= _THRESHOLD)], probability)


def _prepare_slice(source: Any, preprocessing: Preprocessing, model: keras.Model) -> GreyImage:
    """Return a slice as a model's input (S, S); an array of that size is one already."""
    ct = arguments.read_slice(source, _PREDICT_CALL, (model,))
    prepared = ct.format == "array" and not ct.calibrated
    if prepared and ct.pixels.shape == (preprocessing.size,) * 2:
        return np.rint(ct.pixels).astype(np.uint8)
    return imaging.to_input(ct, preprocessing).pixels


@contextmanager
def _wrap_keras_errors(failed: str, kind: type[SpinefracError]) -> Iterator[None]:
    """Turn what Keras and TensorFlow raise into one line; the cause stays attached."""
    try:
        yield
    except (SpinefracError, OSError, MemoryError):
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        first = (lines or [type(error).__name__])[0][:200]
        raise kind(
            f"{failed} ({type(error).__name__}: {first}): check its layers with model.summary()"
        ) from error


def _compile(model: keras.Model, loss: Any = None) -> None:
    """Make ``model.fit`` and ``model.evaluate`` work as users of Keras expect."""
    model.compile("adam", loss or make_loss(model), metrics=["accuracy"])


def _print_epoch(record: EpochRecord) -> None:
    fold = "all slices" if record.fold < 0 else f"fold {record.fold + 1}"
    held_out = "" if record.fold < 0 else f", held out: AUC {record.val_auc:.3f}"
    print(f"{fold}, epoch {record.epoch}: loss {record.loss:.3f}{held_out}", flush=True)
