"""The model card: data, training, metrics and files of a saved model.

``card.json`` holds every number that is shown for a model. It carries the SHA-256 of each other
file and of itself, and never a path of the machine that trained it.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import Meta

from spinefrac import redaction
from spinefrac.errors import ModelError
from spinefrac.evaluation.baseline_comparison import BaselineComparison
from spinefrac.evaluation.metrics import Metrics
from spinefrac.evaluation.operating_point import OperatingPoint
from spinefrac.evaluation.recalibration import Recalibration
from spinefrac.evaluation.scans.scan_metrics import ScanMetrics
from spinefrac.records import Count, Dataset, NotNegative, Preprocessing, Sha256, Share
from spinefrac.store.input_reference import InputReference
from spinefrac.store.input_statistics import InputCheckStatistics
from spinefrac.system import reading

#: Raised by one whenever a field is added or changes its meaning; older cards stay readable.
SCHEMA_VERSION = 6

#: Longest ``card.json``, in bytes; that of 50 folds has 30,000.
MAX_CARD_BYTES = 2**20
#: Largest other file of a model, in bytes.
MAX_FILE_BYTES = 2**30

#: What a card records the versions of.
RECORDED_PACKAGES = (
    "python",
    "spinefrac",
    "tensorflow",
    "keras",
    "tf2onnx",
    "onnx",
    "onnxruntime",
    "numpy",
    "opencv-python-headless",
    "scikit-learn",
)

#: Stands for the card's own hash while that hash is computed.
_CHECKSUM_PLACEHOLDER = "0" * 64


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file of the saved model: SHA-256 in hexadecimal, and its size in bytes."""

    sha256: Sha256
    size: Annotated[int, Meta(ge=0, le=MAX_FILE_BYTES)]


@dataclass(frozen=True, slots=True)
class DataSummary:
    """The data set a model was trained on, without a path of it.

    Attributes
    ----------
    fingerprint : str
        Of the scanned data set: the same slices and labels give the same fingerprint.
    images, groups : int
        Slices that were used, and groups that no fold splits.
    group_rule : str
        How the groups were found.
    fracture, normal : int
        Slices of each class.
    unreadable : int
        Files that were left out because they could not be read.
    notes : tuple of str
        Notes of the scan, and what was done to the card since.
    calibrated : int or None
        Slices in Hounsfield units, the others are pictures; unknown, and so None, before schema 6.
    """

    fingerprint: str
    images: Count
    groups: Count
    group_rule: str
    fracture: Count
    normal: Count
    unreadable: Count = 0
    notes: tuple[str, ...] = ()
    calibrated: Count | None = None

    @classmethod
    def from_dataset(cls, dataset: Dataset) -> DataSummary:
        """Count a scanned data set."""
        fracture = int(dataset.labels.sum())
        units = [item.calibrated for item in dataset.items]
        return cls(
            fingerprint=dataset.fingerprint,
            images=len(dataset.items),
            groups=len(set(dataset.groups.tolist())),
            group_rule=redaction.clean_group_rule(dataset.group_rule),
            fracture=fracture,
            normal=len(dataset.items) - fracture,
            unreadable=len(dataset.unreadable),
            notes=redaction.clean_notes(dataset.notes),
            calibrated=None if None in units else sum(map(bool, units)),
        )

    def remove_names(self) -> DataSummary:
        """Return the same without the names that earlier versions wrote, and with a note on it."""
        cleaned = replace(
            self,
            group_rule=redaction.clean_group_rule(self.group_rule),
            notes=redaction.clean_notes(self.notes),
        )
        return self if cleaned == self else cleaned.mark_cleaned()

    def mark_cleaned(self) -> DataSummary:
        """Return the same with a note that names were removed."""
        return self.with_note(redaction.CLEANED_NOTE)

    def with_note(self, note: str) -> DataSummary:
        """Return the same with another note, once."""
        return replace(self, notes=tuple(dict.fromkeys((*self.notes, note))))


@dataclass(frozen=True, slots=True)
class FoldRecord:
    """One fold: what it held out, how its model did there, and which weights that model has.

    Attributes
    ----------
    fold : int
        Counted from 0.
    images, groups : int
        Slices and groups that the fold held out.
    auc : float or None
        Area under the ROC curve on them; None where they are of one class.
    epochs : int
        Epochs trained.
    seconds : float
        Sum of the epochs' durations.
    weights_sha256 : str
        SHA-256 over the weight arrays in the network's order.
    weights_bytes : int
        Size of those arrays.
    """

    fold: Count
    images: Count
    groups: Count
    auc: Share | None
    epochs: Count
    seconds: NotNegative
    weights_sha256: Sha256
    weights_bytes: Count


@dataclass(frozen=True, slots=True)
class Calibration:
    """Probability = sigmoid(mean of the fold logits / `temperature`), and how it was fitted."""

    temperature: Annotated[float, Meta(gt=0.0, le=1e6)]
    method: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an imported model comes from, and what its network takes and returns.

    Attributes
    ----------
    format : str
        ``keras``, ``h5`` or ``onnx``.
    file, sha256 : str
        Name of the file without its folder, and its SHA-256.
    imported : str
        Moment of the import, UTC, ISO 8601.
    channels : int
        1 or 3; a network with 3 gets the grey values three times.
    scale : str
        Range of grey values that the network takes, such as ``0..255``.
    output : str
        What the network returns: ``sigmoid``, ``softmax`` or ``logits``.
    units : int
        Values it returns for a slice, 1 or 2.
    positive_class : int
        The class, 0 or 1, that stands for a fracture: the column of two values, or where one
        value points to.
    recognised : tuple of str
        Which of these were read from the file; the user declared the others.
    """

    format: str
    file: str
    sha256: Sha256
    imported: str
    channels: Annotated[int, Meta(ge=1, le=3)]
    scale: str
    output: str
    units: Annotated[int, Meta(ge=1, le=2)]
    positive_class: Annotated[int, Meta(ge=0, le=1)]
    recognised: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParentModel:
    """The saved model that a training started from.

    Attributes
    ----------
    model : str
        Its name at that time.
    card_sha256 : str
        SHA-256 of its ``card.json``, by which it is found under any later name.
    how : str
        ``settings`` where only its settings were taken over, ``weights`` where training went
        on from its weights, ``recalibration`` where only temperature and threshold are new.
    """

    model: str
    card_sha256: Sha256
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The content of ``card.json``.

    Attributes
    ----------
    id, note : str
        The name it was first saved under, and the note of that time. The name in force is the
        folder's; later notes are in `spinefrac.store.annotations`.
    created : str
        Moment of saving, UTC, ISO 8601.
    data : DataSummary or None
        What it was trained on; None where that is not known, as of an imported network.
    preprocessing : Preprocessing
        How a slice becomes a model input.
    network : str
        Name of the network in `training.networks`.
    parameters : int
        Weights of one fold's network, trainable or not.
    settings : dict
        Training settings, as `TrainingSettings` prints them.
    folds : tuple of FoldRecord
        Empty for an imported network.
    metrics : Metrics or None
        Out-of-fold, with intervals, at the operating point; None for an imported network.
    calibration : Calibration
    operating_point : OperatingPoint
        Threshold, how it was chosen, and sensitivity and specificity there.
    input_check : dict
        Statistics of the training inputs, as `InputCheckStatistics.to_dict` returns them; empty
        for an imported network, whose training inputs are not known.
    input_reference : InputReference or None
        What its networks saw of the training inputs, for the input check; its arrays are in a
        file. None where they give no features, for an imported network, and before schema 5.
    synthetic : bool
        Whether all training slices are those of a phantom; unknown, and so False, before schema 5.
    scan_metrics : ScanMetrics or None
        Where it was trained and evaluated by scan: `metrics`, threshold and out-of-fold
        predictions are then of scans, and this is what is known of their slices. None where the
        unit is the slice, as before schema 6.
    recalibration : Recalibration or None
        Where temperature and threshold were fitted to another site than the training slices'.
    keras_onnx_max_difference : float
        Largest difference of a fold logit or the mean logit between ``model.keras`` as read
        back, the network in memory, and ONNX Runtime on ``serving.onnx``, over the verification
        slices.
    versions : dict
        Python and the packages that trained it.
    files : dict of str to FileRecord
        Every other file of the folder.
    audit_verdict : str or None
        Verdict of the audit of the data: ``ok``, ``caution`` or ``unusable``; None where there
        was no audit.
    baselines : tuple of BaselineComparison
        The out-of-fold AUC beside those of the audit's baselines in the same folds, the best
        baseline first; empty where they were not computed, as before schema 4.
    heatmap : str
        ``exact`` where ``serving.onnx`` returns the contribution of each position to the logit,
        ``none`` where it has no such output.
    origin : Origin or None
        None where this package trained it.
    trained_by : str
        Who had it trained, as they were signed in; empty where nobody was.
    parent : ParentModel or None
        The saved model that training started from.
    output : str
        What ``model.keras`` returns, for those who open it without this package.
    former_sha256 : tuple of str
        SHA-256 of the ``card.json`` that it had before names were removed or kept in it: other
        models and evaluations may refer to that.
    schema_version : int
    """

    id: str
    note: str
    created: str
    data: DataSummary | None
    preprocessing: Preprocessing
    network: str
    parameters: Count
    settings: dict[str, Any]
    folds: tuple[FoldRecord, ...]
    metrics: Metrics | None
    calibration: Calibration
    operating_point: OperatingPoint
    input_check: dict[str, Any]
    keras_onnx_max_difference: NotNegative
    versions: dict[str, str]
    files: dict[str, FileRecord]
    audit_verdict: str | None = None
    baselines: tuple[BaselineComparison, ...] = ()
    input_reference: InputReference | None = None
    synthetic: bool = False
    recalibration: Recalibration | None = None
    scan_metrics: ScanMetrics | None = None
    heatmap: str = "exact"
    origin: Origin | None = None
    trained_by: str = ""
    parent: ParentModel | None = None
    output: str = (
        "model.keras returns sigmoid(mean of the fold logits), uncalibrated; the probability "
        "that is shown is sigmoid(mean of the fold logits / calibration.temperature)"
    )
    former_sha256: tuple[Sha256, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def to_dict(self) -> dict[str, Any]:
        """Return the card in JSON's own types; a number that is not finite becomes None."""
        plain = {entry.name: _to_json_types(getattr(self, entry.name)) for entry in fields(self)}
        plain["metrics"] = _to_json_types(self.metrics.to_dict()) if self.metrics else None
        plain["operating_point"] = _to_json_types(self.operating_point.to_dict())
        # A card of an earlier schema is written as it was.
        for name in ("baselines", "input_reference", "synthetic", "recalibration", "scan_metrics"):
            if not getattr(self, name):
                del plain[name]
        if self.data and self.data.calibrated is None:
            del plain["data"]["calibrated"]
        return plain

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Card:
        """Read what `to_dict` wrote.

        Raises
        ------
        ModelError
            The card is of a newer schema, or lacks or misspells something.
        """
        version = data.get("schema_version")
        if not isinstance(version, int) or version < 1:
            raise ModelError("card.json has no schema_version: it is not a spinefrac model's card")
        if version > SCHEMA_VERSION:
            raise ModelError(
                f"card.json has schema version {version}, this spinefrac reads up to "
                f"{SCHEMA_VERSION}: update spinefrac to use the model"
            )
        try:
            card = reading.convert(data, cls)
            if card.input_check:
                InputCheckStatistics.from_dict(card.input_check)
        except reading.UnreadableContentError as error:
            raise ModelError(
                f"card.json is not a complete card ({error}): restore the model from a copy"
            ) from error
        return card.remove_names()

    def remove_names(self) -> Card:
        """Return the same without the names that earlier versions wrote, and with a note on it."""
        cleaned = redaction.clean_settings(self.settings)
        data = self.data.remove_names() if self.data else None
        if data and cleaned != self.settings:
            data = data.mark_cleaned()
        return replace(self, settings=cleaned, data=data)


def utc_now() -> str:
    """Return the present moment as the card writes it: UTC, ISO 8601, whole seconds."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()


def dump(card: Card) -> bytes:
    """Return the bytes of ``card.json``, with their own SHA-256."""
    return add_checksum(card.to_dict())


def add_checksum(data: dict[str, Any]) -> bytes:
    """Return a JSON object as bytes that hold their own SHA-256 under ``sha256``.

    The hash is taken over the very bytes of the file with 64 zeros in its own place, so that
    any changed byte is noticed.
    """
    text = _format_json({"sha256": _CHECKSUM_PLACEHOLDER, **data}) + "\n"
    unsigned = text.encode()
    digest = hashlib.sha256(unsigned).hexdigest()
    return unsigned.replace(_CHECKSUM_PLACEHOLDER.encode(), digest.encode(), 1)


def checksum_matches(content: bytes, digest: object) -> bool:
    """Return whether bytes that hold `digest` are still those that `add_checksum` made."""
    unsigned = content.replace(str(digest).encode(), _CHECKSUM_PLACEHOLDER.encode(), 1)
    return hashlib.sha256(unsigned).hexdigest() == digest


def parse(content: bytes) -> Card:
    """Read the bytes of a ``card.json`` and verify its own hash.

    Raises
    ------
    ModelError
        Not a card, changed since it was written, or of a newer schema.
    """
    try:
        data = reading.parse_json(content, max_bytes=MAX_CARD_BYTES)
    except reading.UnreadableContentError as error:
        raise ModelError(
            f"card.json cannot be read, {error}, so it is damaged: restore the model from a copy"
        ) from error
    if not isinstance(data, dict):
        raise ModelError("card.json is not a JSON object: it is not a spinefrac model's card")
    digest = data.pop("sha256", None)
    # The schema comes first: a newer card may have another kind of checksum.
    card = Card.from_dict(data)
    if not checksum_matches(content, digest):
        raise ModelError(
            "card.json does not match its own SHA-256, so it was changed or damaged after it "
            "was written: restore the model from a copy"
        )
    return card


def holds_names(content: bytes, card: Card) -> bool:
    """Return whether the bytes of a card hold names that `parse` left out of `card`."""
    written, cleaned = reading.parse_json(content), card.to_dict()
    return any(written[part] != cleaned[part] for part in ("data", "settings"))


def _to_json_types(value: Any) -> Any:
    """Turn records, tuples and NumPy scalars into JSON's own types."""
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: _to_json_types(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, dict):
        return {str(key): _to_json_types(entry) for key, entry in value.items()}
    if hasattr(value, "tolist"):  # NumPy array or scalar
        return _to_json_types(value.tolist())
    if isinstance(value, list | tuple):
        return [_to_json_types(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no NaN
    return value


def _format_json(value: Any, indent: str = "") -> str:
    """Lay JSON out for people: sorted keys, one entry a line, a row of numbers on one line."""
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        entries = [
            f"{json.dumps(key)}: {_format_json(value[key], deeper)}" for key in sorted(value)
        ]
    elif isinstance(value, list) and any(isinstance(entry, dict | list) for entry in value):
        entries = [_format_json(entry, deeper) for entry in value]
    else:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    lines = ",\n".join(deeper + entry for entry in entries)
    return f"{opening}\n{lines}\n{indent}{closing}"
