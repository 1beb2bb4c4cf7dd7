"""The effect of the bone crop: one fold with it and without it.

    python -m benchmarks bone_crop

One of 5 grouped folds of the standard phantom (120 patients of 12 slices, seed 7), default
settings: about 10 minutes on one core. The default of `Preprocessing.bone_crop` rests on it.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from sklearn.metrics import roc_auc_score

from spinefrac.data.phantom import write_phantom
from spinefrac.data.scan import load_inputs, scan
from spinefrac.data.splits import assign_folds
from spinefrac.training.settings import TrainingSettings
from spinefrac.training.train_fold import train_fold
from spinefrac.training.workspace import RunWorkspace


def measure() -> list[tuple[str, str, str]]:
    """Measure; return (what, value, target) of each figure."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "slices"
        write_phantom(data, patients=120, slices=12, seed=7)
        return [
            (
                f"standard phantom, one fold held out, {name} bone crop: AUC",
                f"{_measure_auc(data, Path(folder), bone_crop):.3f}",
                "reported",
            )
            for name, bone_crop in (("with", True), ("without", False))
        ]


def _measure_auc(data: Path, folder: Path, bone_crop: bool) -> float:
    settings = TrainingSettings()
    settings = replace(settings, preprocessing=replace(settings.preprocessing, bone_crop=bone_crop))
    dataset = scan(data)
    plan = RunWorkspace(
        folder=folder,
        settings=settings,
        inputs=load_inputs(dataset, settings.preprocessing),
        labels=dataset.labels,
        groups=dataset.groups,
        folds=assign_folds(dataset.labels, dataset.groups, settings.folds, settings.seed),
    )
    result = train_fold(plan, 0)
    return float(roc_auc_score(plan.labels[result.rows], result.logits))
