"""Saved models as they lie on disk: found, verified, read. Nothing here needs TensorFlow."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spinefrac import settings
from spinefrac.errors import ModelError
from spinefrac.evaluation.metrics import Metrics
from spinefrac.records import EpochRecord, OutOfFold, Preprocessing
from spinefrac.store import card as cards
from spinefrac.store import names
from spinefrac.store.card import Card, DataSummary, FileRecord

#: The parts of a saved model beside its card.
KERAS_FILE, ONNX_FILE, OOF_FILE, HISTORY_FILE = PARTS = (
    "model.keras",
    "serving.onnx",
    "oof.csv",
    "history.csv",
)
CARD_FILE = "card.json"

#: A text file in the models' folder that names the default model.
DEFAULT_MARKER = "default.txt"

#: The model that ships with the repository.
DEMONSTRATION = "phantom-demo"


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
    """

    path: Path
    card: Card
    card_hash: str

    @property
    def id(self) -> str:
        return self.path.name

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
    def measured(self) -> bool:
        """Whether it has out-of-fold answers and metrics; an imported network has none."""
        return self.card.metrics is not None

    @property
    def metrics(self) -> Metrics:
        """Out-of-fold metrics; ModelError where there are none, see `measured`."""
        if self.card.metrics is None:
            raise ModelError(self._not_measured)
        return self.card.metrics

    @property
    def data(self) -> DataSummary:
        """What it was trained on; ModelError where that is not known, see `measured`."""
        if self.card.data is None:
            raise ModelError(self._not_measured)
        return self.card.data

    @property
    def _not_measured(self) -> str:
        return (
            f"The model {self.id} was imported, so its training data and out-of-fold numbers are "
            f"not known: measure it on labelled slices with `spinefrac evaluate {self.id} FOLDER`"
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

    def oof(self) -> OutOfFold:
        """Read every training slice's answer by the fold model that never saw its patient.

        Raises
        ------
        ModelError
            There are none, see `measured`.
        """
        if not self.measured:
            raise ModelError(self._not_measured)
        rows = list(_rows(self.path / OOF_FILE))
        hashes = tuple(row.get("pixel_hash") or "" for row in rows)
        return OutOfFold(
            paths=tuple(row["path"] for row in rows),
            groups=np.array([row["group"] for row in rows], dtype=np.str_),
            labels=np.array([row["label"] for row in rows], dtype=np.int64),
            folds=np.array([row["fold"] for row in rows], dtype=np.int64),
            logits=np.array([row["logit"] for row in rows], dtype=np.float64),
            probabilities=np.array([row["probability"] for row in rows], dtype=np.float64),
            pixel_hashes=hashes if all(hashes) else (),
        )

    def history(self) -> tuple[EpochRecord, ...]:
        """Read the training history, fold by fold, epoch by epoch; empty where none is known."""
        if not self.measured:
            return ()
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
            for row in _rows(self.path / HISTORY_FILE)
        )


@dataclass(frozen=True, slots=True)
class DamagedModel:
    """A folder among the saved models that cannot be used, and why."""

    id: str
    path: Path
    reason: str


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
    folder = settings.models_dir() / names.validate(model_id)
    if not folder.is_dir():
        known = ", ".join(path.name for path in _folders()) or "none yet"
        raise ModelError(
            f"There is no saved model named {model_id} (saved: {known}): choose one of these or "
            "train it with `spinefrac train`"
        )
    return _open(folder)


def list_models() -> list[SavedModel | DamagedModel]:
    """Return every saved model, by name; one that cannot be used comes with the reason."""
    found: list[SavedModel | DamagedModel] = []
    for folder in _folders():
        try:
            names.validate(folder.name)
            found.append(_open(folder))
        except ModelError as error:
            found.append(DamagedModel(folder.name, folder, str(error)))
    return found


def default_id() -> str:
    """Return the id of the model to use where none is named.

    The one that ``models/default.txt`` names; else ``phantom-demo``; else the newest.

    Raises
    ------
    ModelError
        The named one does not exist, or there is no usable model at all.
    """
    marker = settings.models_dir() / DEFAULT_MARKER
    if marker.is_file():
        chosen = names.validate(marker.read_text(encoding="utf-8", errors="replace").strip())
        if not (settings.models_dir() / chosen).is_dir():
            raise ModelError(
                f"The default model {chosen} does not exist any more: name a model, or delete "
                f"{DEFAULT_MARKER} from the models' folder"
            )
        return chosen
    if (settings.models_dir() / DEMONSTRATION).is_dir():
        return DEMONSTRATION
    usable = [model for model in list_models() if isinstance(model, SavedModel)]
    if not usable:
        raise ModelError("There is no saved model yet: train one with `spinefrac train`")
    return max(usable, key=lambda model: (model.card.created, model.id)).id


def _folders() -> list[Path]:
    """Return the folders of saved models, sorted; unfinished ones begin with a dot."""
    models = settings.models_dir()
    if not models.is_dir():
        return []
    return sorted(
        path for path in models.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def _open(folder: Path) -> SavedModel:
    """Read a folder's card and verify every file against it; ModelError otherwise."""
    try:
        content = (folder / CARD_FILE).read_bytes()
        card = cards.parse(content)
        missing = [name for name in required_parts(card) if name not in card.files]
        if missing:
            raise ModelError(f"card.json does not list {missing[0]}: restore it from a copy")
        for name, record in card.files.items():
            _verify(folder, name, record)
    except FileNotFoundError as error:
        name = Path(error.filename).name
        raise ModelError(
            f"Model {folder.name}: {name} is missing, so this is not a complete saved model: "
            "restore it from a copy or delete the folder"
        ) from error
    except OSError as error:
        name = Path(error.filename or folder).name
        raise ModelError(
            f"Model {folder.name}: {name} cannot be read ({error.strerror}): check its permissions"
        ) from error
    except ModelError as error:
        raise ModelError(f"Model {folder.name}: {error}") from error
    return SavedModel(folder, card, hashlib.sha256(content).hexdigest())


def required_parts(card: Card) -> tuple[str, ...]:
    """Return the files that a model of this card cannot be without."""
    return PARTS if card.metrics else (ONNX_FILE,)


def _verify(folder: Path, name: str, record: FileRecord) -> None:
    """Compare one file with the card."""
    if Path(name).name != name:
        raise ModelError(f"card.json lists {name!r}, expected plain file names: do not use it")
    digest, size = file_digest(folder / name)
    if (digest, size) != (record.sha256, record.size):
        raise ModelError(
            f"{name} does not match its SHA-256 in the card, so it was changed or damaged after "
            "it was written: restore the model from a copy"
        )


#: Hash of a file by what changes whenever it is written to, so that a process hashes once.
_digests: dict[tuple[Any, ...], str] = {}


def file_digest(path: Path) -> tuple[str, int]:
    """Return a file's SHA-256 (hexadecimal) and its size in bytes."""
    status = path.stat()
    key = (path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if key not in _digests:
        with path.open("rb") as file:
            _digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _digests[key], status.st_size


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        yield from csv.DictReader(file)
