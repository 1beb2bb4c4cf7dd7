"""What AUC to expect of a number of patients: from measured learning curves of phantoms.

The curves lie beside this module; ``docs/draw_learning.py`` writes them from what
``python -m benchmarks learning_curves`` measured.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from spinefrac.system import reading
from spinefrac.training.settings import TrainingSettings

_PATH = Path(__file__).with_name("learning_curves.json")


@dataclass(frozen=True)
class ExpectedAuc:
    """The AUC on unseen phantoms after training on a number of patients.

    Attributes
    ----------
    auc : float
        Mean over the seeds.
    low, high : float
        The ends of the seeds' 95 % intervals that lie furthest apart.
    """

    auc: float
    low: float
    high: float


@dataclass(frozen=True)
class LearningCurve:
    """The measured curve of one way to train.

    Attributes
    ----------
    epochs : int
        Of the measured runs.
    points : tuple of (int, ExpectedAuc)
        Numbers of patients in training, ascending, with what they reached.
    """

    epochs: int
    points: tuple[tuple[int, ExpectedAuc], ...]

    def expect(self, patients: float) -> ExpectedAuc | None:
        """Return what so many patients in training reach; None outside the measured numbers.

        Between two of them linear in the logarithm of the number.
        """
        for (fewer, low), (more, high) in pairwise(self.points):
            if fewer <= patients <= more:
                share = math.log(patients / fewer) / math.log(more / fewer)
                return ExpectedAuc(
                    auc=low.auc + share * (high.auc - low.auc),
                    low=low.low + share * (high.low - low.low),
                    high=low.high + share * (high.high - low.high),
                )
        return None


def find_curve(settings: TrainingSettings) -> LearningCurve | None:
    """Return the curve of network and initial weights, or None where none was measured."""
    if settings.network == "compact":
        name = f"compact-{settings.initial_weights}"
    elif settings.network == "compact_lite0" and settings.thaw:
        return None  # measured was the head alone
    else:
        name = settings.network
    return _read_curves().get(name)


@functools.cache
def _read_curves() -> dict[str, LearningCurve]:
    curves: dict[str, Any] = reading.parse_json(_PATH.read_bytes(), max_bytes=2**20)["curves"]
    return {
        name: LearningCurve(
            curve["epochs"],
            tuple(
                (point["patients"], ExpectedAuc(point["auc"], point["low"], point["high"]))
                for point in curve["points"]
            ),
        )
        for name, curve in curves.items()
    }
