"""From a folder of slices to a saved model: grouped folds, honest numbers, one ensemble."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spinefrac import audit
from spinefrac import settings as places
from spinefrac.data.scan import examine, load_inputs
from spinefrac.data.splits import assign_folds
from spinefrac.evaluation import calibration, operating_point
from spinefrac.evaluation.metrics import summarize
from spinefrac.records import Dataset, EpochRecord, FoldResult, GreyImage, OutOfFold
from spinefrac.serving import input_check
from spinefrac.store import names, write
from spinefrac.store.card import DataSummary
from spinefrac.store.saved import SavedModel
from spinefrac.training import networks, quiet
from spinefrac.training.plan import Plan
from spinefrac.training.settings import TrainingSettings
from spinefrac.training.workers import train_folds

if TYPE_CHECKING:
    import keras

_TEMPERATURE_METHOD = (
    "temperature scaling on out-of-fold logits; out-of-fold probabilities use the temperature "
    "of the other folds, new slices that of all folds; the threshold was chosen on the same "
    "out-of-fold probabilities that the metrics describe"
)


def train(
    folder: str | os.PathLike[str],
    name: str,
    settings: TrainingSettings | None = None,
    *,
    note: str = "",
    threshold_rule: str = "youden",
    on_epoch: Callable[[EpochRecord], None] | None = None,
    log: Callable[[str], None] | None = None,
) -> SavedModel:
    """Train by grouped k-fold cross-validation and save the fold ensemble.

    Parameters
    ----------
    folder : path
        Labelled slices, in one of the layouts of `spinefrac.data.scan`.
    name : str
        Of the saved model: lower-case letters, digits and hyphens.
    settings : TrainingSettings, optional
    note : str
        Kept in the model's card.
    threshold_rule : str
        See `spinefrac.evaluation.operating_point.choose`.
    on_epoch : callable, optional
        Called with every finished epoch of every fold.
    log : callable, optional
        Called with lines for people.

    Returns
    -------
    SavedModel

    Raises
    ------
    DatasetError
        The folder cannot be used, or not in so many folds.
    TrainingError
        A fold failed.
    ModelError
        The name is in use or not a name, or the model cannot be written.
    """
    settings = settings or TrainingSettings()
    say = log or (lambda _: None)
    write.require_free(names.validate(name))
    examined = examine(folder, group_by=settings.group_by)
    dataset = examined.dataset
    folds = assign_folds(dataset.labels, dataset.groups, settings.folds, settings.seed)
    say(describe(dataset))
    for remark in (*dataset.notes, *(f"left out {u.path}: {u.reason}" for u in dataset.unreadable)):
        say(remark)
    audited = audit.judge(examined)
    del examined  # its thumbnails are not needed while training
    say(f"audit of the data: {audited.verdict}")
    for finding in audited.findings:
        if finding.severity != "ok":
            say(f"{finding.severity}: {finding.message}")
    _remove_abandoned(places.runs_dir())
    run = places.runs_dir() / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{name}-{os.getpid()}"
    plan = Plan(
        folder=run,
        settings=settings,
        inputs=load_inputs(dataset, settings.preprocessing),
        labels=dataset.labels,
        groups=dataset.groups,
        folds=folds,
    )
    try:
        plan.write()
        started = time.perf_counter()
        results = train_folds(plan, worker_count(settings), on_epoch)
        say(f"trained {settings.folds} folds in {time.perf_counter() - started:.0f} s")
        quiet.import_tensorflow()
        new = _new_model(name, note, threshold_rule, dataset, plan, results)
        return write.save(replace(new, audit_verdict=audited.verdict))
    finally:
        shutil.rmtree(run, ignore_errors=True)


def _remove_abandoned(runs: Path) -> None:
    """Remove the folders of runs whose process was killed; they hold copies of all slices."""
    for folder in runs.glob("????????-??????-*-*") if runs.is_dir() else ():
        owner = folder.name.rpartition("-")[2]
        if owner.isdecimal() and not _alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(process: int) -> bool:
    if os.name == "nt":  # there a signal 0 would end the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's process
    return True


def describe(dataset: Dataset) -> str:
    """Say in one line what a data set holds and what its folds keep together."""
    labels = dataset.labels
    left_out = f", {len(dataset.unreadable)} unreadable left out" if dataset.unreadable else ""
    return (
        f"{len(labels)} slices, {int(labels.sum())} with a fracture, "
        f"{len(np.unique(dataset.groups))} groups ({dataset.group_rule}){left_out}"
    )


def worker_count(settings: TrainingSettings) -> int:
    """Return how many folds to train at the same time."""
    return min(settings.workers or os.cpu_count() or 1, settings.folds)


def _new_model(
    name: str,
    note: str,
    threshold_rule: str,
    dataset: Dataset,
    plan: Plan,
    results: list[FoldResult],
) -> write.NewModel:
    """Gather what the folds left behind into what the store writes."""
    logits = np.empty(len(plan.labels), np.float64)
    for result in results:
        logits[result.rows] = result.logits
    probabilities = calibration.cross_fitted_probabilities(logits, plan.labels, plan.folds)
    point = operating_point.choose(plan.labels, probabilities, plan.groups, threshold_rule)
    return write.NewModel(
        id=name,
        note=note,
        network=plan.settings.network,
        settings=plan.settings.to_dict(),
        preprocessing=plan.settings.preprocessing,
        fold_models=[_fold_model(plan.settings, result.weights) for result in results],
        out_of_fold=OutOfFold(
            paths=dataset.paths,
            groups=plan.groups,
            labels=plan.labels,
            folds=plan.folds,
            logits=logits,
            probabilities=probabilities,
            pixel_hashes=tuple(item.pixel_hash for item in dataset.items),
            subgroups=dataset.subgroups,
        ),
        history=tuple(record for result in results for record in result.history),
        metrics=summarize(plan.labels, probabilities, plan.groups, point.threshold),
        temperature=calibration.fit_temperature(logits, plan.labels),
        temperature_method=_TEMPERATURE_METHOD,
        operating_point=point,
        data=DataSummary.of(dataset),
        input_check=input_check.fit(plan.inputs, plan.groups),
        probes=_probes(plan),
    )


def _fold_model(settings: TrainingSettings, weights: Path) -> keras.Model:
    model = networks.build(settings.network, settings.preprocessing.size)
    model.load_weights(weights)
    return networks.with_heatmap(model)


def _probes(plan: Plan) -> GreyImage:
    """Return slices spread evenly over the data set, on which the exports are compared."""
    rows = np.linspace(0, len(plan.labels) - 1, write.PROBES).round().astype(int)
    return np.asarray(plan.inputs[rows])
