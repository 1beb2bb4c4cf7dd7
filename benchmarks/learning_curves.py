"""AUC on unseen patients after training on 5 to 80, cell by cell: ``docs/learning.md``.

    python -m benchmarks learning_curves

A cell is a way to train, a number of patients and a seed. Each is written into
``results/learning_curves.json`` when it is measured, and those that the file holds are not measured
again: so a call that was interrupted goes on. All together take hours;
``SPINEFRAC_BENCH_CELLS="compact-spine:5,10 keras-script:5"`` measures some of them, and
``SPINEFRAC_BENCH_SEEDS=0,1`` some seeds. ``SPINEFRAC_BENCH_DIFFICULTY=hard`` measures on hard
phantoms, into a file of their own. ``make docs`` then fills the document.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from filelock import FileLock

from benchmarks import _usual_keras_script
from benchmarks.training import use_temporary_home
from spinefrac.data.phantom.rendering import render
from spinefrac.evaluation.metrics import compute_metrics
from spinefrac.imaging.preprocess import to_input
from spinefrac.records import CtSlice, GreyImage
from spinefrac.system import atomic
from spinefrac.training import shipped_weights, train_fold
from spinefrac.training.frozen import network_head
from spinefrac.training.frozen.features import FeatureLoader, FeatureRequest
from spinefrac.training.keras_logits import predict_logits
from spinefrac.training.settings import TrainingSettings
from spinefrac.training.workspace import RunWorkspace

RESULTS = Path(__file__).parent / "results"
#: Rendered slices and features, so that the next call need not make them again.
CACHE = Path(__file__).parents[1] / "build" / "learning-curves"
PATIENTS, SEEDS, SLICES = (5, 10, 20, 40, 80), (0, 1, 2), 8
#: No pretraining uses these seeds of phantoms.
POOL_SEED, UNSEEN_SEED, UNSEEN_PATIENTS = 7_100_000, 8_200_000, 60
_SCRIPT_SIDE, _SCRIPT_EPOCHS = 128, 25

#: Ways to train that are ways of this package.
SETTINGS = {
    "compact-spine": TrainingSettings(network="compact"),
    "compact-none": TrainingSettings(network="compact", weights="none", epochs=25),
    "lite0": TrainingSettings(network="lite0", epochs=3),
    "compact_lite0": TrainingSettings(network="compact_lite0", epochs=3),
}
METHODS = (*SETTINGS, "keras-script")


@dataclass(frozen=True)
class Slices:
    """Slices of phantoms, with an input for this package's networks and one for the script.

    Attributes
    ----------
    inputs : uint8 array, shape (N, S, S)
        Preprocessed as by default.
    pictures : uint8 array, shape (N, 128, 128)
        The whole slice in the bone window.
    labels : int64 array, shape (N,)
    patients : int64 array, shape (N,)
    """

    inputs: GreyImage
    pictures: GreyImage
    labels: npt.NDArray[np.int64]
    patients: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Cell:
    """One measurement; `low` and `high` are the 95 % interval over the unseen patients."""

    method: str
    patients: int
    seed: int
    slices: int
    fractures: int
    auc: float
    low: float
    high: float
    seconds: float


def measure() -> list[tuple[str, str, str]]:
    """Measure the cells that are missing; return (what, value, target) of every cell."""
    difficulty = os.environ.get("SPINEFRAC_BENCH_DIFFICULTY", "standard")
    path = find_results(difficulty)
    done = {(c.method, c.patients, c.seed) for c in read_cells(path)}
    if missing := [cell for cell in _list_wanted() if cell not in done]:
        pool, unseen = (
            _load_slices(difficulty, patients, seed)
            for patients, seed in ((max(PATIENTS), POOL_SEED), (UNSEEN_PATIENTS, UNSEEN_SEED))
        )
        with use_temporary_home(CACHE):
            for method, patients, seed in missing:
                _append(path, difficulty, _measure_cell(method, patients, seed, pool, unseen))
    return [
        (
            f"{c.method}, {c.patients} patients of {difficulty} phantoms, seed {c.seed}: AUC",
            f"{c.auc:.3f} ({c.low:.3f}-{c.high:.3f})",
            "reported",
        )
        for c in read_cells(path)
    ]


def find_results(difficulty: str) -> Path:
    """Return the file that holds the cells of a difficulty."""
    suffix = "" if difficulty == "standard" else f"_{difficulty}"
    return RESULTS / f"learning_curves{suffix}.json"


def read_cells(path: Path) -> list[Cell]:
    """Return the cells that are measured."""
    if not path.is_file():
        return []
    return [Cell(**cell) for cell in json.loads(path.read_text("utf-8"))["cells"]]


def _list_wanted() -> Iterator[tuple[str, int, int]]:
    """Yield method, patients and seed of each cell, those that take less time first."""
    chosen = os.environ.get("SPINEFRAC_BENCH_CELLS", " ".join(METHODS))
    seeds = os.environ.get("SPINEFRAC_BENCH_SEEDS", ",".join(map(str, SEEDS)))
    wanted = [
        (int(patients), method, int(seed))
        for method, _, counts in (word.partition(":") for word in chosen.split())
        for patients in (counts or ",".join(map(str, PATIENTS))).split(",")
        for seed in seeds.split(",")
    ]
    if unknown := {method for _, method, _ in wanted} - set(METHODS):
        raise ValueError(f"no method {', '.join(unknown)}; there are {', '.join(METHODS)}")
    for patients, method, seed in sorted(wanted, key=lambda cell: (cell[2], cell[0])):
        yield method, patients, seed


def _load_slices(difficulty: str, patients: int, seed: int) -> Slices:
    side = SETTINGS["compact-spine"].preprocessing.size
    path = CACHE / f"{difficulty}-{seed}-{patients}x{SLICES}-{side}.npz"
    if not path.is_file():
        rows = [
            _make_row(n, index, patients=patients, seed=seed, difficulty=difficulty)
            for n in range(patients)
            for index in range(SLICES)
        ]
        inputs, pictures, labels, numbers = (np.stack(column) for column in zip(*rows, strict=True))
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(path, suffix=".npz") as temporary:
            np.savez(temporary, inputs=inputs, pictures=pictures, labels=labels, patients=numbers)
    with np.load(path) as arrays:
        return Slices(**arrays)


def _make_row(patient: int, index: int, **phantom: Any) -> tuple[Any, ...]:
    image = render(patient, index, slices=SLICES, **phantom)
    spacing = (image.spacing_mm, image.spacing_mm)
    ct = CtSlice(pixels=image.hu, calibrated=True, format="dicom", spacing_mm=spacing)
    cut = to_input(ct, SETTINGS["compact-spine"].preprocessing)
    picture = cv2.resize(image.grey, (_SCRIPT_SIDE,) * 2, interpolation=cv2.INTER_AREA)
    return cut.pixels, picture, image.label, patient


def _measure_cell(method: str, patients: int, seed: int, pool: Slices, unseen: Slices) -> Cell:
    """Train on patients that the seed draws from the pool; those of few are among those of many."""
    print(f"{method}, {patients} patients, seed {seed} ...", flush=True)
    started = time.perf_counter()
    drawn = np.random.default_rng(seed).permutation(max(PATIENTS))[:patients]
    rows = np.flatnonzero(np.isin(pool.patients, drawn))
    logits = _TRAIN.get(method, _train_network)(method, rows, seed, pool, unseen)
    seconds = time.perf_counter() - started
    scores = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
    metrics = compute_metrics(unseen.labels, scores, unseen.patients.astype(str), 0.5)
    low, high = metrics.ci["auc"]
    found = (round(float(value), 4) for value in (metrics.auc or 0.0, low, high))
    fractures = int(pool.labels[rows].sum())
    return Cell(method, patients, seed, len(rows), fractures, *found, round(seconds, 1))


def _make_workspace(
    method: str, seed: int, data: Slices, rows: npt.NDArray[np.int64]
) -> RunWorkspace:
    """Return a workspace whose fold 1 is trained on all of `rows`."""
    settings = SETTINGS[method].with_values({"seed": seed})
    return RunWorkspace(
        folder=Path(),  # nothing is written there
        settings=settings,
        inputs=data.inputs[rows],
        labels=data.labels[rows],
        groups=data.patients[rows].astype(str),
        folds=np.zeros(len(rows), np.int64),
    )


def _train_network(
    method: str, rows: npt.NDArray[np.int64], seed: int, pool: Slices, unseen: Slices
) -> npt.NDArray[np.float64]:
    workspace = _make_workspace(method, seed, pool, rows)
    model = train_fold.build_initial_network(workspace, 1)
    train_fold.fit_as_set(model, workspace, 1)
    return predict_logits(model, unseen.inputs)


def _fit_head(
    method: str, rows: npt.NDArray[np.int64], seed: int, pool: Slices, unseen: Slices
) -> npt.NDArray[np.float64]:
    """Compute features once for the whole pool and all seeds; each cell fits its own rows."""
    workspace = _make_workspace(method, 0, pool, np.arange(len(pool.labels)))
    settings = workspace.settings
    model = train_fold.build_initial_network(workspace, 1)
    pooled = network_head.build_pooled_model(model)
    request = FeatureRequest(unseen.inputs, 0, settings.augmentation, settings.seed)
    features = FeatureLoader(pooled, request).load(0)
    variants = settings.epochs - 1
    network_head.NetworkHead(model, workspace, rows, variants).fit(variants)
    kernel, bias = model.get_layer("logit").get_weights()
    return np.asarray(features @ kernel[:, 0] + bias[0], np.float64)


def _run_script(
    method: str, rows: npt.NDArray[np.int64], seed: int, pool: Slices, unseen: Slices
) -> npt.NDArray[np.float64]:
    found = _usual_keras_script.train_and_predict(
        pool.pictures[rows], pool.labels[rows], unseen.pictures, _SCRIPT_EPOCHS, seed
    )
    found = np.clip(found, 1e-13, 1 - 1e-13)
    return np.log(found / (1 - found))


_TRAIN: dict[str, Callable[..., npt.NDArray[np.float64]]] = {
    "lite0": _fit_head,
    "compact_lite0": _fit_head,
    "keras-script": _run_script,
}


def _append(path: Path, difficulty: str, cell: Cell) -> None:
    """Add a cell to the file, which another process may be writing to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / "results.lock"):
        cells = [*read_cells(path), cell]
        cells.sort(key=lambda c: (METHODS.index(c.method), c.patients, c.seed))
        made = {
            "difficulty": difficulty,
            "methods": METHODS,
            "patients": PATIENTS,
            "seeds": SEEDS,
            "slices_a_patient": SLICES,
            "unseen_patients": UNSEEN_PATIENTS,
            "epochs": {name: one.epochs for name, one in SETTINGS.items()}
            | {"keras-script": _SCRIPT_EPOCHS},
            "spine_sha256": shipped_weights.read_card("compact-spine")["sha256"],
        }
        lines = ",\n".join(json.dumps(asdict(one)) for one in cells)
        head = json.dumps(made, indent=1)[:-2]
        atomic.write_bytes(path, f'{head},\n "cells": [\n{lines}\n]\n}}\n'.encode())
