"""A run's folder: everything that a fold's process needs, and its results.

``plan.json`` holds the settings, ``plan.npz`` labels, groups, folds and places, ``inputs.npy``
the preprocessed slices, which processes map into memory instead of copying them. ``plan.sha256``
is written last: it says that the workspace is complete, and identifies it. A fold writes
checkpoints while it trains, then its weights and, last, its predictions with the weights' hash.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinefrac.data.places import PlaceMaps
from spinefrac.data.splits import count_folds
from spinefrac.records import EpochRecord, FoldResult, GreyImage
from spinefrac.system import atomic, private_files
from spinefrac.training.bags import Units
from spinefrac.training.checkpoint import wrap_write_error
from spinefrac.training.settings import TrainingSettings

if TYPE_CHECKING:
    import keras

#: The files of a workspace, in the order in which they are hashed.
DATA_FILES = ("plan.json", "plan.npz", "inputs.npy")
DIGEST_FILE = "plan.sha256"

#: What to do where a run lacks memory.
MEMORY_REMEDY = (
    "free some memory, or train with fewer workers, then resume the run; or train anew with a "
    "smaller image size or batch size"
)


@dataclass(frozen=True)
class RunWorkspace:
    """The data and settings that a run trains with.

    Attributes
    ----------
    folder : Path
    settings : TrainingSettings
    inputs : uint8 array, shape (N, S, S)
    labels : int64 array, shape (N,)
    groups : str array, shape (N,)
    folds : int64 array, shape (N,)
        The fold that holds each slice out.
    places : PlaceMaps or None
        Where the fractures are, as far as the data set says so and it is to be used.
    inputs_sha256 : str
        Of the bytes of `inputs`, by which features of frozen backbones are found; `write` computes
        it once for all folds, where they need it. Empty elsewhere.
    bags : int64 array, shape (N, 2), or None
        Number of the scan or level that the label is of, and place in the scan; None where every
        label is of its slice. See `spinefrac.training.bags.Units`.
    """

    folder: Path
    settings: TrainingSettings
    inputs: GreyImage
    labels: npt.NDArray[np.int64]
    groups: npt.NDArray[np.str_]
    folds: npt.NDArray[np.int64]
    places: PlaceMaps | None = None
    inputs_sha256: str = ""
    bags: npt.NDArray[np.int64] | None = None

    def write(self) -> None:
        """Write the workspace into its folder, for `read` in another process.

        Raises
        ------
        TrainingError
            It cannot be written.
        """
        try:
            private_files.make_folder(self.folder)
            self._write_inputs(self.folder / "inputs.npy")
            arrays = io.BytesIO()
            plan = {"labels": self.labels, "groups": self.groups, "folds": self.folds}
            if self.places:
                plan |= {"place_rows": self.places.rows, "place_maps": self.places.maps}
            if self.settings.fits_head_only:
                plan["inputs_sha256"] = np.array(hash_array(self.inputs))
            if self.bags is not None:
                plan["bags"] = self.bags
            np.savez_compressed(arrays, allow_pickle=False, **plan)
            atomic.write_bytes(self.folder / "plan.npz", arrays.getvalue())
            settings = json.dumps(self.settings.to_dict(), indent=1)
            atomic.write_bytes(self.folder / "plan.json", settings.encode())
            atomic.write_bytes(self.folder / DIGEST_FILE, compute_digest(self.folder).encode())
        except OSError as error:
            raise wrap_write_error("the workspace of the run", error) from error

    def _write_inputs(self, target: Path) -> None:
        """Link the cache's file where the disk supports it, so that the slices are stored once."""
        target.unlink(missing_ok=True)
        cached = getattr(self.inputs, "filename", None)
        try:
            if cached is None:
                raise OSError("only in memory")
            os.link(cached, target)
        except OSError:
            with atomic.replacing(target, durable=False, suffix=".npy") as temporary:
                np.save(temporary, self.inputs)

    @classmethod
    def read(cls, folder: Path) -> RunWorkspace:
        """Read a workspace; `inputs` stay on disk and are mapped into memory."""
        with np.load(folder / "plan.npz") as arrays:
            labels, groups, folds = arrays["labels"], arrays["groups"], arrays["folds"]
            marked = "place_rows" in arrays
            places = PlaceMaps(arrays["place_rows"], arrays["place_maps"]) if marked else None
            inputs_sha256 = str(arrays["inputs_sha256"]) if "inputs_sha256" in arrays else ""
            bags = arrays.get("bags")
        return cls(
            folder=folder,
            settings=TrainingSettings.from_dict(json.loads((folder / "plan.json").read_text())),
            inputs=np.load(folder / "inputs.npy", mmap_mode="r"),
            labels=labels,
            groups=groups,
            folds=folds,
            places=places,
            inputs_sha256=inputs_sha256,
            bags=bags,
        )

    def collect_units(self, rows: npt.NDArray[np.int64]) -> Units:
        """Return what has one label among slices (n,); its rows are indices into these."""
        return Units.collect(self.labels[rows], None if self.bags is None else self.bags[rows])

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return count_folds(self.folds)

    def checkpoint_path(self, fold: int) -> Path:
        """Return the path of a fold's checkpoints."""
        return self.folder / f"fold-{fold}.checkpoint"

    def weights_path(self, fold: int) -> Path:
        """Return the path of a fold's final weights."""
        return self.folder / f"fold-{fold}.weights.h5"

    def write_weights(self, fold: int, model: keras.Model) -> None:
        """Write a fold's final weights atomically."""
        try:
            with atomic.replacing(self.weights_path(fold), suffix=".weights.h5") as temporary:
                model.save_weights(temporary)
        except OSError as error:
            raise wrap_write_error(f"the weights of fold {fold + 1}", error) from error

    def write_result(self, result: FoldResult) -> None:
        """Write a finished fold's predictions and history."""
        history = [[getattr(r, name) for name in EpochRecord.__slots__] for r in result.history]
        arrays = io.BytesIO()
        np.savez(
            arrays,
            rows=result.rows,
            logits=result.logits,
            history=np.array(history, np.float64),
            seconds=result.seconds,
            weights=compute_sha256(result.weights),
        )
        try:
            atomic.write_bytes(self._result_path(result.fold), arrays.getvalue())
        except OSError as error:
            raise wrap_write_error(f"the predictions of fold {result.fold + 1}", error) from error

    def read_result(self, fold: int) -> FoldResult | None:
        """Return what `write_result` wrote; None where a part is missing or damaged."""
        try:
            with np.load(self._result_path(fold)) as arrays:
                if str(arrays["weights"]) != compute_sha256(self.weights_path(fold)):
                    return None
                history = tuple(
                    EpochRecord(int(row[0]), int(row[1]), *map(float, row[2:]))
                    for row in arrays["history"]
                )
                return FoldResult(
                    fold=fold,
                    weights=self.weights_path(fold),
                    rows=arrays["rows"],
                    logits=arrays["logits"],
                    history=history,
                    seconds=float(arrays["seconds"]),
                )
        except FileNotFoundError:
            return None

    def result_files(self, fold: int) -> tuple[Path, Path]:
        """Return the files with the weights and the predictions of a fold."""
        return self.weights_path(fold), self._result_path(fold)

    def _result_path(self, fold: int) -> Path:
        return self.folder / f"fold-{fold}.npz"


def read_digest(folder: Path) -> str | None:
    """Return the digest of the workspace in a folder; None where it is missing or incomplete."""
    try:
        return (folder / DIGEST_FILE).read_text()
    except FileNotFoundError:
        return None


def compute_digest(folder: Path) -> str:
    """Return the SHA-256 over the files of a workspace."""
    digests = "".join(compute_sha256(folder / part) for part in DATA_FILES)
    return hashlib.sha256(digests.encode()).hexdigest()


def hash_array(array: npt.NDArray[Any]) -> str:
    """Return the SHA-256 of the bytes of an array."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def compute_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def remove_training_files(folder: Path) -> None:
    """Remove what only training needs, the slices first; settings and TensorBoard logs stay."""
    for pattern in (
        "inputs*",
        "*.tmp*",
        "*.checkpoint*",
        "fold-*",
        "plan.npz",
        DIGEST_FILE,
        "cancel",
    ):
        for path in folder.glob(pattern):
            if path.is_file():
                path.unlink(missing_ok=True)


def remove_temporary_files(folder: Path) -> None:
    """Remove what a killed process was writing."""
    for path in folder.rglob("*.tmp*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
