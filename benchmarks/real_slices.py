"""Real slices without fractures: how many a model calls a fracture, and lines in the same slices.

    export SPINEFRAC_REAL_SLICES=FOLDER[:FOLDER…] SPINEFRAC_REAL_MODEL=NAME
    python -m benchmarks real_slices

Every file of the folders is a slice or a volume of vertebrae without fractures, and stays where it
is; of a volume every slice counts that has bone enough for a line. Into each slice the lines of a
fracture are drawn three times at difficulty standard. The model is phantom-demo where none is
named. Folders that are not there are reported as not measured.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from spinefrac.data.phantom.backgrounds import read_slices
from spinefrac.data.phantom.bone_lines import draw_lines
from spinefrac.data.phantom.plan import get_difficulty
from spinefrac.errors import ImageError
from spinefrac.imaging.collect import files_from_folder
from spinefrac.inference.predictor import Predictor
from spinefrac.records import CtSlice
from spinefrac.store import repository

FOLDERS, MODEL = "SPINEFRAC_REAL_SLICES", "SPINEFRAC_REAL_MODEL"
DRAWINGS = 3
_SEED = 20
_FALSE_ALARMS, _SENSITIVITY = "at most 20 %", "at least 85 %"


@dataclass(frozen=True)
class Answers:
    """Probabilities of slices as they are, and of the same slices with lines."""

    threshold: float
    plain: list[float]
    lined: list[float]

    @property
    def false_alarms(self) -> int:
        return sum(p >= self.threshold for p in self.plain)

    @property
    def found(self) -> int:
        return sum(p >= self.threshold for p in self.lined)


def measure() -> list[tuple[str, str, str]]:
    """Measure; return (what, value, target) of each figure."""
    folders = [Path(p) for p in os.environ.get(FOLDERS, "").split(os.pathsep) if p]
    model = os.environ.get(MODEL, "phantom-demo")
    table = []
    for folder in folders:
        if not folder.is_dir():
            table.append((f"real slices, {folder.name}", "not there, not measured", "reported"))
            continue
        answers = ask(model, folder)
        if answers.plain:
            table += describe(f"{model} on real slices, {folder.name}", answers)
    if not table:
        table.append((f"real slices: no folder in {FOLDERS}", "not measured", "reported"))
    return table


def describe(name: str, answers: Answers) -> list[tuple[str, str, str]]:
    """Return the rows of one folder."""
    plain, lined = len(answers.plain), len(answers.lined)
    labels = [0] * plain + [1] * lined
    auc = roc_auc_score(labels, answers.plain + answers.lined)
    return [
        (
            f"{name}: called a fracture without one",
            f"{100 * answers.false_alarms / plain:.0f} % ({answers.false_alarms} of {plain})",
            _FALSE_ALARMS,
        ),
        (
            f"{name}: drawn lines found",
            f"{100 * answers.found / lined:.0f} % ({answers.found} of {lined})",
            _SENSITIVITY,
        ),
        (f"{name}: AUC of lines against none", f"{auc:.2f}", "reported"),
    ]


def ask(model: str, folder: Path) -> Answers:
    """Predict every slice of a folder as it is and with lines."""
    saved = repository.load(model)
    predictor = Predictor(saved)
    hardness = get_difficulty("standard")
    plain, lined = [], []
    threshold = 0.5
    for number, ct in enumerate(_read_folder(folder)):
        drawn = [
            draw_lines(ct, hardness, np.random.default_rng([_SEED, number, i]))
            for i in range(DRAWINGS)
        ]
        if any(one is None for one in drawn):
            continue
        answer = predictor.predict(ct, heatmap=False)
        threshold = answer.threshold
        plain.append(answer.probability)
        for one in drawn:
            if one is not None:
                with_lines = replace(ct, pixels=one.pixels)
                lined.append(predictor.predict(with_lines, heatmap=False).probability)
    return Answers(threshold, plain, lined)


def _read_folder(folder: Path) -> Iterator[CtSlice]:
    for file in sorted(files_from_folder(folder), key=lambda f: f.name):
        try:
            yield from read_slices(file)
        except ImageError:
            continue


if __name__ == "__main__":
    for line in measure():
        print(*line, sep="   ")
