"""Saved models on disk: listed, verified and loaded. Nothing here needs TensorFlow."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from spinefrac import redaction, settings
from spinefrac.errors import ModelError
from spinefrac.evaluation.metrics import Metrics
from spinefrac.records import EpochRecord, OutOfFoldPredictions, Preprocessing
from spinefrac.store import card as cards
from spinefrac.store import identifiers, slice_names, trash
from spinefrac.store.annotations import Annotations, parse_annotations
from spinefrac.store.card import Card, DataSummary, FileRecord
from spinefrac.store.input_reference import FittedReference
from spinefrac.system import lock, reading

#: The files of a saved model apart from its card.
KERAS_FILE, ONNX_FILE, OOF_FILE, HISTORY_FILE = ARTIFACT_FILES = (
    "model.keras",
    "serving.onnx",
    "oof.csv",
    "history.csv",
)
CARD_FILE = "card.json"
#: Arrays of the input check, for a model whose networks give features.
REFERENCE_FILE = "input_check.f32"
#: Columns of the out-of-fold table; whatever follows them is a subgroup of the slices.
OOF_COLUMNS = (
    "path", "group", "label", "fold", "logit", "probability", "pixel_hash", "position",
)  # fmt: skip

#: Annotations, see `spinefrac.store.annotations`; absent where there are none.
ANNOTATIONS_FILE = "slip.json"

#: A text file in the models' folder that names the default model.
DEFAULT_MODEL_FILE = "default.txt"

#: Longest file that can name a model, in bytes.
_MAX_DEFAULT_MODEL_BYTES = 1024

#: The model that ships with the repository.
DEMO_MODEL_ID = "phantom-demo"


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A complete saved model whose files have been verified.

    Attributes
    ----------
    path : Path
        Its folder; the folder's name is the model's id.
    card : Card
    card_hash : str
        SHA-256 of ``card.json``; another one means another model under the same id.
    annotations : Annotations
        Note, tags and more that were written after it was saved.
    """

    path: Path
    card: Card
    card_hash: str
    annotations: Annotations = field(default_factory=Annotations)

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def card_hashes(self) -> frozenset[str]:
        """SHA-256 of its card now and before names were removed from it: all mean this model."""
        return frozenset((self.card_hash, *self.card.former_sha256))

    @property
    def note(self) -> str:
        return self.card.note if self.annotations.note is None else self.annotations.note

    @property
    def tags(self) -> tuple[str, ...]:
        return self.annotations.tags

    @property
    def archived(self) -> bool:
        return self.annotations.archived

    @property
    def owner(self) -> str:
        """Whose model it is: of who trained, duplicated or imported it; empty where unknown."""
        owner = self.annotations.owner
        return self.card.trained_by if owner is None else owner

    @property
    def size(self) -> int:
        """Bytes of its files, without card and annotations."""
        return sum(record.size for record in self.card.files.values())

    @property
    def preprocessing(self) -> Preprocessing:
        return self.card.preprocessing

    @property
    def temperature(self) -> float:
        return self.card.calibration.temperature

    @property
    def threshold(self) -> float:
        return self.card.operating_point.threshold

    @property
    def is_synthetic(self) -> bool:
        """Whether it was trained on phantoms only, so that it must not be used on people."""
        return self.card.synthetic or self.card.id == DEMO_MODEL_ID

    @property
    def has_out_of_fold(self) -> bool:
        """Whether it has out-of-fold predictions and metrics; an imported network has none."""
        return self.card.metrics is not None

    @property
    def is_of_scans(self) -> bool:
        """Whether metrics, threshold and out-of-fold predictions are of scans and not of slices."""
        return self.card.scan_metrics is not None

    @property
    def has_slice_predictions(self) -> bool:
        """Whether its out-of-fold predictions are of slices, so that they say how it does there."""
        return self.has_out_of_fold and not self.is_of_scans

    @property
    def unit(self) -> str:
        """What metrics, threshold and out-of-fold predictions are of: ``slices`` or ``scans``."""
        return "scans" if self.is_of_scans else "slices"

    def require_slices(self) -> None:
        """Raise ModelError where its metrics are of scans, for what compares slices with them."""
        if self.is_of_scans:
            raise ModelError(
                f"Expected a model that was evaluated by slice, but {self.id} was by scan: train "
                "on labels of slices, or predict scans with `spinefrac predict --series`"
            )

    @property
    def metrics(self) -> Metrics:
        """Out-of-fold metrics; ModelError where there are none, see `has_out_of_fold`."""
        if self.card.metrics is None:
            raise ModelError(self._no_out_of_fold_message)
        return self.card.metrics

    @property
    def data(self) -> DataSummary:
        """What it was trained on; ModelError where that is not known, see `has_out_of_fold`."""
        if self.card.data is None:
            raise ModelError(self._no_out_of_fold_message)
        return self.card.data

    @property
    def _no_out_of_fold_message(self) -> str:
        return (
            f"The model {self.id} was imported, so its training data and out-of-fold metrics are "
            f"not known: evaluate it on labelled slices with `spinefrac evaluate {self.id} FOLDER`"
        )

    @property
    def keras_path(self) -> Path:
        """``model.keras``; ModelError where the model was imported from ONNX and has none."""
        if KERAS_FILE not in self.card.files:
            raise ModelError(
                f"The model {self.id} was imported from ONNX and has no Keras file: import it "
                "from a .keras or .h5 file for what needs one"
            )
        return self.path / KERAS_FILE

    @property
    def onnx_path(self) -> Path:
        return self.path / ONNX_FILE

    def read_file(self, name: str) -> bytes:
        """Read one file and verify the very bytes that are returned.

        Raises
        ------
        ModelError
            The model was renamed, deleted, replaced or damaged since it was loaded.
        """
        try:
            content = (self.path / name).read_bytes()
        except FileNotFoundError as error:
            raise ModelError(_explain_missing_files(self.path)) from error
        if hashlib.sha256(content).hexdigest() != self.card.files[name].sha256:
            raise ModelError(f"Model {self.id}: {name} was replaced while it was read: try again")
        return content

    def load_input_reference(self) -> FittedReference | None:
        """Read what its networks saw of the training slices; None where that is not known.

        Raises
        ------
        ModelError
            The file is missing or damaged.
        """
        if self.card.input_reference is None:
            return None
        content = self.read_file(REFERENCE_FILE)
        return FittedReference.from_bytes(self.card.input_reference, content)

    def load_out_of_fold(self) -> OutOfFoldPredictions:
        """Read the prediction for each training slice by the network that never saw its patient.

        With the names of slices, groups and series where they are kept here, see `slice_names`.

        Raises
        ------
        ModelError
            There are none, see `has_out_of_fold`.
        """
        if not self.has_out_of_fold:
            raise ModelError(self._no_out_of_fold_message)
        with _naming_damage(self.id, OOF_FILE):
            return self._parse_out_of_fold()

    def _parse_out_of_fold(self) -> OutOfFoldPredictions:
        table = read_columns(self.path / OOF_FILE)
        columns = slice_names.restore_names(table, hash_file(self.path / OOF_FILE)[0])
        hashes = tuple(columns.get("pixel_hash", ()))
        positions = tuple(columns.get("position", ()))
        return OutOfFoldPredictions(
            paths=tuple(columns["path"]),
            groups=np.array(columns["group"], dtype=np.str_),
            labels=np.array(columns["label"], dtype=np.int64),
            folds=np.array(columns["fold"], dtype=np.int64),
            logits=np.array(columns["logit"], dtype=np.float64),
            probabilities=np.array(columns["probability"], dtype=np.float64),
            pixel_hashes=hashes if all(hashes) else (),
            positions=tuple(map(int, positions)) if all(positions) else (),
            subgroups={
                name: tuple(values) for name, values in columns.items() if name not in OOF_COLUMNS
            },
        )

    def load_history(self) -> tuple[EpochRecord, ...]:
        """Read the training history, fold by fold, epoch by epoch; empty where none is known."""
        if not self.has_out_of_fold:
            return ()
        with _naming_damage(self.id, HISTORY_FILE):
            return tuple(
                EpochRecord(
                    fold=int(row["fold"]),
                    epoch=int(row["epoch"]),
                    loss=float(row["loss"]),
                    val_loss=float(row["val_loss"]),
                    val_auc=float(row["val_auc"]),
                    learning_rate=float(row["learning_rate"]),
                    seconds=float(row["seconds"]),
                )
                for row in _read_rows(self.path / HISTORY_FILE)
            )


@dataclass(frozen=True, slots=True)
class DamagedModel:
    """A folder among the saved models that cannot be used, and why.

    Its name, which may be of any signs, is that of `path`; `id` is how the name is shown.
    """

    path: Path
    reason: str

    @property
    def id(self) -> str:
        return redaction.shorten_name(self.path.name)


def load(model_id: str) -> SavedModel:
    """Find a saved model and verify each of its files.

    Parameters
    ----------
    model_id : str

    Returns
    -------
    SavedModel

    Raises
    ------
    ModelError
        There is none of that name, or a file of it is missing, damaged or of a newer version.
    """
    folder = settings.models_dir() / identifiers.validate(model_id)
    try:
        return open_folder(folder)
    except ModelError:
        # Renamed or replaced while it was read? Under the lock nobody does that.
        return _read_locked(folder)


def explain_missing(model_id: str) -> str:
    """Return why there is no saved model of that name: renamed, deleted, or never there."""
    for folder in list_folders():
        if model_id in _read_annotations_or_empty(folder).former_names:
            return f"The model {model_id} is now named {folder.name}: use that name"
    known = ", ".join(redaction.shorten_name(path.name) for path in list_folders()) or "none yet"
    return trash.deletion_notice(model_id) or (
        f"There is no saved model named {model_id} (saved: {known}): choose one of these or "
        "train it with `spinefrac train`"
    )


def list_models() -> list[SavedModel | DamagedModel]:
    """Return all saved models, sorted by name; for an unusable one the reason."""
    found: list[SavedModel | DamagedModel] = []
    for folder in list_folders():
        try:
            found.append(load(folder.name))
        except ModelError as error:
            if folder.is_dir():  # else it was renamed or deleted meanwhile
                found.append(DamagedModel(folder, str(error)))
    return found


def get_default_id() -> str:
    """Return the id of the model to use where none is named.

    The one that ``models/default.txt`` names; else ``phantom-demo``; else the newest. Archived
    ones are passed over.

    Raises
    ------
    ModelError
        The named one does not exist, or there is no usable model at all.
    """
    chosen = read_default_id()
    if chosen is not None:
        if (settings.models_dir() / chosen).is_dir():
            return chosen
        for folder in list_folders():
            if chosen in _read_annotations_or_empty(folder).former_names:
                return folder.name
        raise ModelError(
            f"The default model {chosen} does not exist any more: name a model, or make another "
            "one the default with `spinefrac models default`"
        )
    demonstration = settings.models_dir() / DEMO_MODEL_ID
    if demonstration.is_dir() and not _read_annotations_or_empty(demonstration).archived:
        return DEMO_MODEL_ID
    models = [model for model in list_models() if isinstance(model, SavedModel)]
    usable = [model for model in models if not model.archived]
    if not usable and models:
        raise ModelError(
            "Every saved model is archived: unarchive one with `spinefrac models archive --undo`, "
            "or name one"
        )
    if not usable:
        raise ModelError("There is no saved model yet: train one with `spinefrac train`")
    return max(usable, key=lambda model: (model.card.created, model.id)).id


def read_default_id() -> str | None:
    """Return the id that somebody made the default; None where nobody did."""
    try:
        content = reading.read_regular_file(
            settings.models_dir() / DEFAULT_MODEL_FILE, _MAX_DEFAULT_MODEL_BYTES
        )
    except FileNotFoundError:
        return None
    except (OSError, reading.UnreadableContentError) as error:
        raise ModelError(
            f"{DEFAULT_MODEL_FILE} in the models' folder cannot be used "
            f"({_explain(error)}): make a model the default with `spinefrac models default`"
        ) from error
    return identifiers.validate(content.decode("utf-8", "replace").strip())


def list_folders() -> list[Path]:
    """Return the folders of saved models, sorted; unfinished ones begin with a dot."""
    models = settings.models_dir()
    try:
        entries = list(models.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ModelError(
            f"The models' folder cannot be read ({error.strerror}): permit reading it"
        ) from error
    return sorted(path for path in entries if path.is_dir() and not path.name.startswith("."))


def _read_locked(folder: Path) -> SavedModel:
    """Load a model while no other process changes the models, so that an error means damage."""
    with ExitStack() as held:
        with suppress(OSError):  # where this process may not write, it has to do without
            held.enter_context(lock.models_lock(timeout_s=5.0))
        if not folder.is_dir():
            raise ModelError(explain_missing(folder.name))
        return open_folder(folder)


def _read_annotations_or_empty(folder: Path) -> Annotations:
    """Read the annotations; empty ones where that fails, which `load` reports."""
    try:
        return read_annotations(folder)
    except (ModelError, OSError, reading.UnreadableContentError):
        return Annotations()


def open_folder(folder: Path) -> SavedModel:
    """Read a folder's card and verify every file against it; ModelError otherwise."""
    name = redaction.shorten_name(folder.name)
    try:
        content = read_card(folder)
        card = _parse_card(content)
        missing = [name for name in required_files(card) if name not in card.files]
        if missing:
            raise ModelError(f"card.json does not list {missing[0]}: restore it from a copy")
        for file_name, record in card.files.items():
            verify_file(folder, file_name, record)
        written = read_annotations(folder)
    except FileNotFoundError as error:
        raise ModelError(
            f"Model {name}: {Path(error.filename).name} is missing, so this is not a complete "
            "saved model: restore it from a copy or delete the folder"
        ) from error
    except OSError as error:
        where = Path(error.filename or folder).name
        raise ModelError(
            f"Model {name}: {redaction.shorten_name(where)} cannot be read ({error.strerror}): "
            "check its permissions"
        ) from error
    except reading.UnreadableContentError as error:
        raise ModelError(
            f"Model {name}: a file of it cannot be used, {error}: restore it from a copy or delete "
            "the folder"
        ) from error
    except ModelError as error:
        raise ModelError(f"Model {name}: {error}") from error
    return SavedModel(folder, card, hashlib.sha256(content).hexdigest(), written)


@lru_cache(maxsize=128)
def _parse_card(content: bytes) -> Card:
    """Parse a card once for all who load the model; its bytes are read anew each time."""
    return cards.parse(content)


def read_card(folder: Path) -> bytes:
    """Return the bytes of a folder's card; see `reading.read_regular_file` for its errors."""
    return reading.read_regular_file(folder / CARD_FILE, cards.MAX_CARD_BYTES)


def read_annotations(folder: Path) -> Annotations:
    """Read the annotations of the model in `folder`; ModelError where they are damaged."""
    try:
        content = reading.read_regular_file(folder / ANNOTATIONS_FILE)
    except FileNotFoundError:
        return Annotations()
    return parse_annotations(content)


def required_files(card: Card) -> tuple[str, ...]:
    """Return the files that a model of this card cannot be without."""
    own = ARTIFACT_FILES if card.metrics else (ONNX_FILE,)
    return (*own, REFERENCE_FILE) if card.input_reference else own


def verify_file(folder: Path, name: str, record: FileRecord) -> None:
    """Compare one file with the card; ModelError where they differ."""
    if Path(name).name != name or name == "..":
        shown = redaction.shorten_name(name)
        raise ModelError(f"card.json lists {shown!r}, expected plain file names: do not use it")
    path = folder / name
    # The size first: a file of any length is hashed only where the card says that it is so long.
    if path.stat().st_size != record.size or hash_file(path) != (record.sha256, record.size):
        raise ModelError(
            f"{name} does not match its SHA-256 in the card, so it was changed or damaged after "
            "it was written: restore the model from a copy"
        )


#: Hash of a file by what changes whenever it is written to, so that a process hashes once.
_digest_cache: dict[tuple[Any, ...], str] = {}


def hash_file(path: Path) -> tuple[str, int]:
    """Return a file's SHA-256 (hexadecimal) and its size in bytes."""
    with reading.open_regular_file(path) as file:
        status = os.fstat(file.fileno())
        key = (path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if key not in _digest_cache:
            _digest_cache[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _digest_cache[key], status.st_size


def read_columns(path: Path) -> dict[str, Sequence[str]]:
    """Return a table of a model by its columns; ModelError where it is not there any more."""
    rows = list(_read_rows(path))
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else OOF_COLUMNS)}


def _read_rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            yield from csv.DictReader(file)
    except FileNotFoundError as error:
        raise ModelError(_explain_missing_files(path.parent)) from error


@contextmanager
def _naming_damage(model_id: str, name: str) -> Iterator[None]:
    """Turn whatever a table of other columns or values raises into a ModelError."""
    try:
        yield
    except (KeyError, ValueError, TypeError, OverflowError, csv.Error) as error:
        raise ModelError(
            f"Model {model_id}: {name} is not a table that spinefrac wrote: restore the model from "
            "a copy"
        ) from error


def _explain(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _explain_missing_files(folder: Path) -> str:
    """Return why the files of a model are not where they were."""
    if folder.is_dir():
        return f"The model {folder.name} was replaced while it was read: try again"
    return explain_missing(folder.name)
