"""External evaluations of saved models: metrics and predictions on other data sets.

``HOME/evaluations/<card>/<data set>.json`` and ``.csv``: outside of the model's own folder, whose
files are verified against its card. The folder is named by the SHA-256 of the model's card, so
entries follow a rename, are shared by a duplicate, and never appear at another model that is
trained under the same name. Slices, groups and the data set's folder are numbers in these files;
their names are where `spinefrac.store.slice_names` keeps them.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinefrac import settings
from spinefrac.errors import ModelError
from spinefrac.evaluation.by_grade import GradeSummary
from spinefrac.evaluation.compare import MetricDifference
from spinefrac.evaluation.inputs import EvaluationInputs, make_inputs
from spinefrac.evaluation.metrics import Metrics
from spinefrac.evaluation.pointing_game import PointingGameResult
from spinefrac.records import OutOfFoldPredictions
from spinefrac.redaction import Output
from spinefrac.store import slice_names
from spinefrac.store.card import DataSummary
from spinefrac.store.repository import SavedModel
from spinefrac.system import atomic, private_files, reading

_NETWORKS_NOTE = (
    "Out-of-fold predictions are those of single networks, so the difference is that of the same "
    "networks, one by one, on both data sets; the external metrics are those of the ensemble, "
    "which is usually better. The AUC is tested by itself; p of the other metrics is corrected for "
    "multiple testing (Holm)."
)
_ENSEMBLE_NOTE = (
    "This evaluation is of an earlier version: its difference compares the ensemble with single "
    "networks, which hides a drop. Evaluate the folder again."
)

_COLUMNS = ("path", "group", "label", "probability", "pixel_hash")
#: Of the data set's folder, among the names that are kept.
_FOLDER_NAME = "folder"


@dataclass(frozen=True, slots=True)
class SlicePredictions:
    """A model's predictions on the slices of one data set, all of shape (N,).

    `folds` is None for predictions of the whole ensemble; `pixel_hashes` is empty where they were
    not saved; `subgroups` are further columns by name, see `Dataset.subgroups`.
    """

    paths: tuple[str, ...]
    groups: npt.NDArray[np.str_]
    labels: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    folds: npt.NDArray[np.int64] | None = None
    pixel_hashes: tuple[str, ...] = ()
    subgroups: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def from_out_of_fold(cls, oof: OutOfFoldPredictions) -> SlicePredictions:
        """Convert out-of-fold predictions of a saved model."""
        return cls(
            oof.paths,
            oof.groups,
            oof.labels,
            oof.probabilities,
            oof.folds,
            oof.pixel_hashes,
            oof.subgroups,
        )

    def to_inputs(self) -> EvaluationInputs:
        """Return labels, probabilities and groups as the metrics take them."""
        return make_inputs(self.labels, self.probabilities, self.groups)


@dataclass(frozen=True, slots=True)
class TrainingOverlap:
    """How far the evaluated slices overlap with those the model was trained on.

    Attributes
    ----------
    same_data : bool
        Whether it is the very data set that the model was trained on.
    slices : int or None
        Slices whose pixels the model was trained on; None where the model has no pixel hashes.
    group_names : int
        Groups that have the name of a group it was trained on: perhaps the same patients.
    known : bool
        Whether it is known at all what the model was trained on; not of an imported one.
    """

    same_data: bool
    slices: int | None
    group_names: int
    known: bool = True

    @property
    def has_leakage(self) -> bool:
        """Whether the metrics are too high for certain."""
        return self.same_data or bool(self.slices)

    def describe(self, slice_count: int) -> str:
        """Return a sentence on `slice_count` evaluated slices; empty where there is no overlap."""
        if not self.known:
            return (
                "the model was imported, so it is not known whether it was trained on these "
                "slices; if it was, these metrics are too high"
            )
        if self.same_data:
            return (
                "the model was trained on these very slices, so these metrics are too high: use "
                "the out-of-fold metrics"
            )
        if self.slices:
            return (
                f"the model was trained on {self.slices} of these {slice_count} slices, so these "
                "metrics are too high: leave those slices out"
            )
        if self.group_names:
            return (
                f"{self.group_names} groups have the name of a group that the model was trained "
                "on; if they are the same patients, these metrics are too high"
            )
        return ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metrics of a saved model on a data set other than its training data.

    Attributes
    ----------
    model, card_hash : str
        The saved model, and the SHA-256 of its card.
    folder : str
        The folder's own name, without its path, or `public_name` where it is not known here.
    created : str
        Moment of the evaluation, UTC, ISO 8601.
    data : DataSummary
    metrics : Metrics
        At the model's own threshold.
    shift : dict of MetricDifference
        Metric name to these slices minus out-of-fold, both of single networks; empty where the
        model has no out-of-fold predictions.
    seen : TrainingOverlap
    pointing : PointingGameResult or None
        Whether heat maps point into the fractures' boxes, where the folder has such.
    compares_networks : bool
        Whether `shift` compares like with like; False for evaluations of earlier versions.
    by_grade : tuple of GradeSummary
        The slices of each grade of the input check; empty where the model has no input check, and
        for evaluations of earlier versions.
    """

    model: str
    card_hash: str
    folder: str
    created: str
    data: DataSummary
    metrics: Metrics
    shift: dict[str, MetricDifference]
    seen: TrainingOverlap
    pointing: PointingGameResult | None = None
    compares_networks: bool = False
    by_grade: tuple[GradeSummary, ...] = ()

    @property
    def shift_note(self) -> str:
        """What `shift` compares, in words; empty where there is none."""
        if not self.shift:
            return ""
        return _NETWORKS_NOTE if self.compares_networks else _ENSEMBLE_NOTE

    @property
    def key(self) -> str:
        """Name of its files, different for each data set."""
        return self.data.fingerprint[:16]

    @property
    def public_name(self) -> str:
        """What the data set is called where its folder's name may be a patient's."""
        return f"data set {self.data.fingerprint[:8]}"

    def hide_folder(self) -> Evaluation:
        """Return the same with `public_name` in place of the folder's name."""
        return replace(self, folder=self.public_name)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and None, ready for JSON."""
        return {**asdict(self), "metrics": self.metrics.to_dict()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Evaluation:
        """Rebuild from what `to_dict` gave."""
        entry = reading.convert(data, cls)
        return replace(entry, data=entry.data.remove_names())


def save_evaluation(evaluation: Evaluation, predictions: SlicePredictions) -> None:
    """Write an evaluation; an earlier one on the same data is replaced.

    Parameters
    ----------
    evaluation : Evaluation
    predictions : SlicePredictions
        What it was computed from.

    Raises
    ------
    ModelError
        It cannot be written.
    """
    named = _named_columns(predictions)
    table = _predictions_to_csv(predictions, named)
    digest = hashlib.sha256(table).hexdigest()
    public = evaluation.hide_folder()
    content = json.dumps({**public.to_dict(), "answers_sha256": digest}, indent=1)
    folder = _evaluations_dir(evaluation.card_hash)
    try:
        private_files.make_folder(folder)
        slice_names.save_names(digest, {**named, _FOLDER_NAME: (evaluation.folder,)})
        atomic.write_bytes(folder / f"{evaluation.key}.csv", table)
        atomic.write_bytes(folder / f"{evaluation.key}.json", content.encode() + b"\n")
    except OSError as error:
        raise ModelError(
            f"The evaluation of {evaluation.model} cannot be saved ({error.strerror}): make room "
            "in SPINEFRAC_HOME, or make it writable"
        ) from error


def list_evaluations(model: SavedModel) -> list[Evaluation]:
    """Return the evaluations of this very model, the newest first, without damaged entries."""
    found = [
        _read_evaluation(path)
        for digest in model.card_hashes
        for path in _evaluations_dir(digest).glob("*.json")
    ]
    mine = [
        replace(entry, model=model.id)
        for entry in found
        if entry and entry.card_hash in model.card_hashes
    ]
    newest = sorted(mine, key=lambda entry: (entry.created, entry.key), reverse=True)
    return list({entry.key: entry for entry in reversed(newest)}.values())[::-1]


def load_predictions(evaluation: Evaluation) -> SlicePredictions:
    """Read the predictions that an evaluation was computed from.

    Raises
    ------
    ModelError
        They are missing, or not those that the evaluation was computed from.
    """
    path = _evaluations_dir(evaluation.card_hash) / f"{evaluation.key}.csv"
    try:
        content = path.read_bytes()
        wanted = _read_table_digest(path.with_suffix(".json"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"The evaluation of {evaluation.model} on {evaluation.folder} is not complete: "
            "evaluate the folder again"
        ) from error
    if hashlib.sha256(content).hexdigest() != wanted:
        raise ModelError(
            f"The predictions of {evaluation.model} on {evaluation.folder} were changed after they "
            "were written: evaluate the folder again"
        )
    text = io.StringIO(content.decode("utf-8", "surrogateescape"), newline="")
    reader = csv.DictReader(text)
    rows = list(reader)
    table = {name: [row[name] for row in rows] for name in reader.fieldnames or ()}
    columns = slice_names.restore_names(table, wanted)
    return SlicePredictions(
        paths=tuple(columns["path"]),
        groups=np.array(columns["group"], np.str_),
        labels=np.array(columns["label"], np.int64),
        probabilities=np.array(columns["probability"], np.float64),
        pixel_hashes=tuple(columns["pixel_hash"]),
        subgroups={name: tuple(values) for name, values in columns.items() if name not in _COLUMNS},
    )


def delete_evaluations(card_hash: str) -> None:
    """Remove the evaluations of a model that was purged, with the names of their slices."""
    for path in _evaluations_dir(card_hash).glob("*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            slice_names.delete_names(_read_table_digest(path))
    shutil.rmtree(_evaluations_dir(card_hash), ignore_errors=True)


def _evaluations_dir(card_hash: str) -> Path:
    return settings.home() / "evaluations" / card_hash[:16]


def _read_table_digest(path: Path) -> str:
    return str(reading.parse_json(reading.read_regular_file(path))["answers_sha256"])


def _read_evaluation(path: Path) -> Evaluation | None:
    """Read one entry; None where it is damaged, half written or of another version."""
    try:
        data = reading.parse_json(reading.read_regular_file(path))
        names = slice_names.read_names(data.pop("answers_sha256"))
        entry = Evaluation.from_dict(data)
        return replace(entry, folder=names.get(_FOLDER_NAME, (entry.folder,))[0])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _named_columns(predictions: SlicePredictions) -> dict[str, tuple[str, ...]]:
    """Return the columns that may hold names."""
    groups = tuple(predictions.groups.tolist())
    return {"path": predictions.paths, "group": groups, **predictions.subgroups}


def _predictions_to_csv(predictions: SlicePredictions, named: slice_names.Columns) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*_COLUMNS, *predictions.subgroups))
    paths, groups, *more = slice_names.number_columns(named, Output.EVALUATION).values()
    columns = (predictions.labels, predictions.probabilities)
    hashes = predictions.pixel_hashes or ("",) * len(predictions.paths)
    writer.writerows(zip(paths, groups, *(c.tolist() for c in columns), hashes, *more, strict=True))
    return text.getvalue().encode("utf-8", "surrogateescape")
