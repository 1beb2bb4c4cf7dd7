"""A run's folder: everything that a fold's process needs, and what it leaves behind.

``plan.json`` holds the settings, ``plan.npz`` labels, groups and folds, ``inputs.npy`` the
preprocessed slices, which processes map into memory instead of copying them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spinefrac.records import EpochRecord, FoldResult, GreyImage
from spinefrac.training.settings import TrainingSettings


@dataclass(frozen=True)
class Plan:
    """What a run trains on.

    Attributes
    ----------
    folder : Path
    settings : TrainingSettings
    inputs : uint8 array, shape (N, S, S)
    labels : int64 array, shape (N,)
    groups : str array, shape (N,)
    folds : int64 array, shape (N,)
        The fold that holds each slice out.
    """

    folder: Path
    settings: TrainingSettings
    inputs: GreyImage
    labels: npt.NDArray[np.int64]
    groups: npt.NDArray[np.str_]
    folds: npt.NDArray[np.int64]

    def write(self) -> None:
        """Write the plan into its folder, for `read` in another process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        np.save(self.folder / "inputs.npy", self.inputs)
        np.savez(self.folder / "plan.npz", labels=self.labels, groups=self.groups, folds=self.folds)
        (self.folder / "plan.json").write_text(json.dumps(self.settings.to_dict(), indent=1))

    @classmethod
    def read(cls, folder: Path) -> Plan:
        """Read a plan; `inputs` stay on disk and are mapped into memory."""
        with np.load(folder / "plan.npz") as arrays:
            labels, groups, folds = arrays["labels"], arrays["groups"], arrays["folds"]
        return cls(
            folder=folder,
            settings=TrainingSettings.from_dict(json.loads((folder / "plan.json").read_text())),
            inputs=np.load(folder / "inputs.npy", mmap_mode="r"),
            labels=labels,
            groups=groups,
            folds=folds,
        )

    def weights_path(self, fold: int) -> Path:
        """Return where the weights of `fold` are kept."""
        return self.folder / f"fold-{fold}.weights.h5"

    def write_result(self, result: FoldResult) -> None:
        """Keep a finished fold's scores and history beside its weights."""
        history = [[getattr(r, name) for name in EpochRecord.__slots__] for r in result.history]
        np.savez(
            self.folder / f"fold-{result.fold}.npz",
            rows=result.rows,
            logits=result.logits,
            history=np.array(history, np.float64),
            seconds=result.seconds,
        )

    def read_result(self, fold: int) -> FoldResult:
        """Return what `write_result` kept."""
        with np.load(self.folder / f"fold-{fold}.npz") as arrays:
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
