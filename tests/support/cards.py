"""Model cards and saved models in memory, for tests that need no file of them."""

from dataclasses import replace
from pathlib import Path

from spinefrac.evaluation.metric_kernels import METRIC_NAMES
from spinefrac.evaluation.metrics import Metrics
from spinefrac.evaluation.operating_point import OperatingPoint
from spinefrac.records import Preprocessing
from spinefrac.store import card as cards
from spinefrac.store.card import Calibration, Card, DataSummary, FileRecord, FoldRecord
from spinefrac.store.repository import SavedModel


def make_card(**changes: object) -> Card:
    """Return a complete card with numbers of no meaning."""
    metrics = Metrics(
        **dict.fromkeys(METRIC_NAMES, 0.1 + 0.2),
        n=4,
        groups=2,
        threshold=0.5,
        confusion_matrix=((1, 1), (0, 2)),
        ci={"auc": (0.25, 1.0)},
    )
    card = Card(
        id="a-model",
        note="Knochen – Übung",
        created=cards.utc_now(),
        data=DataSummary("ab12", 4, 2, "file name", 2, 2, 1, ("one note",)),
        preprocessing=Preprocessing(size=64, bone_crop=False),
        network="compact",
        parameters=7,
        settings={"epochs": 3, "augmentation": {"rotation": 15.0}},
        folds=(FoldRecord(0, 2, 1, None, 3, 1.5, "cd34" * 16, 28),),
        metrics=metrics,
        calibration=Calibration(1.25, "out-of-fold"),
        operating_point=OperatingPoint(0.5, "youden", 1.0, 0.5, {"sensitivity": (0.5, 1.0)}),
        input_check={},
        keras_onnx_max_difference=1e-7,
        versions={"python": "3.11"},
        files={"serving.onnx": FileRecord("ef56" * 16, 10)},
    )
    return replace(card, **changes)


def make_model(name: str, **changes: object) -> SavedModel:
    """Return a saved model that is not on the disk; its card's hash is made of its name."""
    return SavedModel(Path("models") / name, make_card(id=name, **changes), f"hash of {name}")
