"""Out-of-fold AUC per scan and per slice of phantom scans, from labels of scans and of slices.

    python -m benchmarks scans

120 patients of 24 slices (seed 1899, which nothing was chosen on), 5 grouped folds, default
settings with one epoch, the standard and the hard difficulty: about 15 minutes on 2 cores. The
ground truth of the slices is known to the measurement only, where labels are of scans.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.training import use_temporary_home
from spinefrac.data.phantom import write_phantom
from spinefrac.data.scan import examine, load_inputs
from spinefrac.data.splits import assign_folds
from spinefrac.evaluation.metrics import compute_metrics
from spinefrac.evaluation.scans.scan_metrics import ScanMetrics, describe_scan_metrics
from spinefrac.records import Dataset, OutOfFoldPredictions
from spinefrac.training.runner import scan_results
from spinefrac.training.runner.scan_results import ScanResults
from spinefrac.training.settings import TrainingSettings
from spinefrac.training.train_fold import train_fold
from spinefrac.training.workspace import RunWorkspace

PATIENTS, SLICES, SEED, FOLDS = 120, 24, 1899, 5
#: Table of labels, what it labels, and the least AUC per scan and per slice on standard phantoms.
TABLES = (
    ("labels-by-scan.csv", "scan", 0.95, 0.90),
    ("labels-by-level.csv", "level", None, None),
    ("labels-by-slice.csv", "slice", 0.98, 0.97),
)


def measure() -> list[tuple[str, str, str]]:
    """Measure; return (what, value, target) of each figure."""
    table = []
    with tempfile.TemporaryDirectory() as folder, use_temporary_home(Path(folder)):
        for difficulty in ("standard", "hard"):
            scans = Path(folder) / difficulty
            write_phantom(
                scans, patients=PATIENTS, slices=SLICES, seed=SEED, difficulty=difficulty,
                size=256, scans=True,
            )  # fmt: skip
            table += measure_folder(scans, difficulty)
    return table


def measure_folder(folder: Path, difficulty: str) -> list[tuple[str, str, str]]:
    """Measure one phantom of scans with each of its tables in turn."""
    shutil.copy(folder / "labels.csv", folder / TABLES[0][0])
    rows = []
    for name, unit, scan_target, slice_target in TABLES:
        shutil.copy(folder / name, folder / "labels.csv")
        results, of_slices = _train(folder)
        scans = results.scans
        metrics = compute_metrics(scans.labels, scans.probabilities, scans.groups, 0.5)
        auc = f"{of_slices.slice_auc:.3f} ({_format(of_slices.ci.get('slice_auc'))})"
        for what, value, target in (
            ("per scan", metrics.format_metric("auc"), scan_target),
            ("per slice", auc, slice_target),
            ("slices", describe_scan_metrics(of_slices), None),
        ):
            is_target = target is not None and difficulty == "standard"
            rows.append(
                (
                    f"{difficulty} phantom scans, label per {unit}: {what}",
                    value,
                    f"at least {target:.2f}" if is_target else "reported",
                )
            )
    shutil.copy(folder / TABLES[0][0], folder / "labels.csv")
    return rows


def _format(interval: tuple[float, float] | None) -> str:
    return "{:.3f} to {:.3f}".format(*interval) if interval else "no interval"


def _train(folder: Path) -> tuple[ScanResults, ScanMetrics]:
    """Return the results of all folds, and what they are worth on slices by the ground truth."""
    dataset = examine(folder).dataset
    settings = TrainingSettings(folds=FOLDS, epochs=1)
    with tempfile.TemporaryDirectory() as place:
        workspace = RunWorkspace(
            folder=Path(place),
            settings=settings,
            inputs=load_inputs(dataset, settings.preprocessing),
            labels=dataset.labels,
            groups=dataset.groups,
            folds=assign_folds(dataset.labels, dataset.groups, FOLDS, settings.seed),
            bags=scan_results.number_bags(dataset, settings),
        )
        logits = np.empty(len(dataset.items))
        for fold in range(FOLDS):
            result = train_fold(workspace, fold)
            logits[result.rows] = result.logits
    results = scan_results.collect_results(_make_predictions(dataset, workspace, logits), dataset)
    known = _reveal_truth(dataset)
    revealed = replace(results, slices=replace(results.slices, labels=known.labels))
    return results, scan_results.measure_slices(revealed, known)


def _make_predictions(
    dataset: Dataset, workspace: RunWorkspace, logits: np.ndarray
) -> OutOfFoldPredictions:
    return OutOfFoldPredictions(
        paths=dataset.paths,
        groups=dataset.groups,
        labels=dataset.labels,
        folds=workspace.folds,
        logits=logits,
        probabilities=np.zeros(len(logits)),
        pixel_hashes=tuple(item.pixel_hash for item in dataset.items),
        positions=dataset.positions,
    )


def _reveal_truth(dataset: Dataset) -> Dataset:
    """Return the data set with the label of each slice."""
    truth = json.loads((dataset.root / "phantom.json").read_text())["slices_truth"]
    label_of = {row["path"]: row["label"] for row in truth}
    items = (replace(item, label=label_of[item.path], bag="") for item in dataset.items)
    return replace(dataset, items=tuple(items))
