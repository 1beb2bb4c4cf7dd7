"""What a training run is asked to do, in one record that travels and is kept in the card."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from spinefrac.errors import TrainingError
from spinefrac.records import Preprocessing
from spinefrac.training.augmentation.config import AugmentationConfig

__all__ = ["NETWORKS", "AugmentationConfig", "TrainingSettings"]

#: Names that `TrainingSettings.network` accepts, the default first.
NETWORKS = ("compact", "mobilenet_v3_small", "efficientnet_v2_b0", "densenet121", "resnet50")


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Everything that decides a run's result, apart from the data.

    Attributes
    ----------
    network : str
        One of `NETWORKS`.
    weights : str or None
        ``imagenet`` (``keras.applications`` only), the path of a weights file, or None to
        start from random weights.
    folds, epochs : int
    batch_size : int
        Small on purpose: what decides a slice is a line a few pixels long, and a network finds it
        after so many steps rather than after so many slices. On one fold of the standard phantom
        7 epochs reached an AUC of 0.67 with batches of 16 and 0.88 with batches of 8.
    learning_rate : float
        Highest rate; it is reached after a linear warm-up and falls along a half cosine.
    weight_decay : float
        Decoupled weight decay of AdamW (Loshchilov and Hutter, 2019).
    warmup : float
        Share of all steps that the warm-up takes.
    class_weights : bool
        Whether the rarer class counts more, so that both weigh the same in the loss.
    line_steps : int
        Batches in which the network `compact`, started from random weights, first learns to find
        drawn lines, see `spinefrac.training.pretraining`; never more than the training itself
        has, and 0 leaves that out. On one fold of the standard phantom that had reached an AUC of
        0.74 without it, 300 batches led to 0.99; one that stood at 0.68 after 15 epochs with 300
        reached 0.98 with 700.
    early_stopping : bool
        Whether to stop when an inner hold-out of the training groups no longer improves. The
        outer fold, which is scored, is never looked at.
    patience : int
        Epochs without improvement before an early stop.
    workers : int
        Folds trained at the same time, each in a process of its own with an equal share of the
        cores; 0 means as many as there are cores or folds, whichever is less.
    seed : int
        0 … 2**32 - 1.
    group_by : str
        See `spinefrac.data.scan.scan`.
    preprocessing : Preprocessing
    augmentation : AugmentationConfig
    """

    network: str = "compact"
    weights: str | None = None
    folds: int = 5
    epochs: int = 25
    batch_size: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup: float = 0.1
    class_weights: bool = True
    line_steps: int = 700
    early_stopping: bool = False
    patience: int = 8
    workers: int = 0
    seed: int = 0
    group_by: str = "auto"
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise TrainingError(
                f"unknown network {self.network!r}; choose one of {', '.join(NETWORKS)}"
            )
        for name, lowest in {"folds": 2, "epochs": 1, "batch_size": 2, "patience": 1}.items():
            if getattr(self, name) < lowest:
                raise TrainingError(
                    f"{name} must be at least {lowest}, got {getattr(self, name)}; raise it"
                )
        if not 0 < self.learning_rate <= 1:
            raise TrainingError(
                f"learning rate must lie between 0 and 1, got {self.learning_rate}; "
                "0.002 suits most data"
            )
        if not 32 <= self.preprocessing.size <= 1024:
            raise TrainingError(
                f"image size must lie between 32 and 1024 pixels, got {self.preprocessing.size}"
            )
        if not 0 <= self.seed < 2**32:
            raise TrainingError(f"seed must lie between 0 and 2**32 - 1, got {self.seed}")
        if self.group_by not in ("auto", "file") and not self.group_by.startswith("csv:"):
            raise TrainingError(f"group-by must be auto, file or csv:COLUMN, got {self.group_by!r}")
        if self.line_steps < 0:
            raise TrainingError(f"line steps must be 0 (off) or more, got {self.line_steps}")
        if self.workers < 0:
            raise TrainingError(f"workers must be 0 (automatic) or more, got {self.workers}")

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "augmentation": self.augmentation.to_dict()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TrainingSettings:
        nested = {
            "preprocessing": Preprocessing(**data["preprocessing"]),
            "augmentation": AugmentationConfig.from_dict(data["augmentation"]),
        }
        return cls(**{**data, **nested})
