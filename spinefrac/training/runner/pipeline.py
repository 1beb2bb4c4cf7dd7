"""What a runner does with a run: prepare its plan, train its folds, save the model.

Each stage leaves files in the run's folder from which the next start goes on: the plan with the
slices, then checkpoints and each fold's weights and scores. Only a saved model ends a run, so
weights are never lost to a full disk.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spinefrac import audit
from spinefrac.audit import cache as kept_audits
from spinefrac.data.scan import examine, load_inputs
from spinefrac.data.splits import assign_folds
from spinefrac.errors import Cancelled, ModelError
from spinefrac.evaluation import calibration, operating_point
from spinefrac.evaluation.metrics import summarize
from spinefrac.exchange import mlflow_logging
from spinefrac.records import Dataset, FoldResult, GreyImage, Item, OutOfFold, Unreadable
from spinefrac.store import input_statistics, repository, saving
from spinefrac.store.card import DataSummary
from spinefrac.store.repository import SavedModel
from spinefrac.training import finetuning, networks, tf_import
from spinefrac.training.checkpoint import no_room, write_whole
from spinefrac.training.runner import dask_cluster, workspace
from spinefrac.training.runner.fold_scheduler import train_folds
from spinefrac.training.runner.journal import Journal
from spinefrac.training.runner.workspace import Plan
from spinefrac.training.runs.estimates import folds_at_once
from spinefrac.training.runs.records import Run
from spinefrac.training.settings import TrainingSettings

if TYPE_CHECKING:
    import keras

_DATASET = "dataset.json"
_TEMPERATURE_METHOD = (
    "temperature scaling on out-of-fold logits; out-of-fold probabilities use the temperature "
    "of the other folds, new slices that of all folds; the threshold was chosen on the same "
    "out-of-fold probabilities that the metrics describe"
)


def execute(
    run: Run,
    folder: Path,
    journal: Journal,
    cancelled: Callable[[], bool],
    on_stage: Callable[[str], None],
) -> SavedModel:
    """Bring a run from wherever it stands to its saved model.

    Parameters
    ----------
    run : Run
    folder : Path
        Of the run; made where it is missing.
    journal : Journal
    cancelled : callable
        Asked all the time until the model is being saved.
    on_stage : callable
        Told each stage of `spinefrac.training.runs.records.STAGES`.

    Raises
    ------
    DatasetError, TrainingError, ModelError
        It failed; it can be taken up again.
    Cancelled
        `cancelled` said so.
    """
    on_stage("preparing")
    workspace.remove_unfinished(folder)
    ready, dataset, verdict = _prepared(run, folder, journal, cancelled)
    on_stage("training")
    results = _trained(run, ready, journal, cancelled)
    on_stage("saving")
    model = _already_saved(run.name, dataset, ready, results)
    if model is None:
        journal.log("all folds are trained; saving the model")
        tf_import.import_tensorflow()
        new = _new_model(run, dataset, ready, results)
        model = saving.save(
            replace(new, audit_verdict=verdict, parent=run.parent, trained_by=run.trained_by)
        )
        mlflow_logging.log_if_asked(model, journal.log)
    workspace.remove_work(folder)
    (folder / _DATASET).unlink(missing_ok=True)
    return model


def summary(model: SavedModel, run: str, seconds: float) -> dict[str, Any]:
    """Return a run's result, as ``spinefrac train --json`` prints it."""
    return {
        "model": model.id,
        "run": run,
        "seconds": round(seconds, 1),
        "folds": [
            {
                "fold": fold.fold,
                "epochs": fold.epochs,
                "auc": fold.auc,
                "seconds": round(fold.seconds, 1),
            }
            for fold in model.card.folds
        ],
        "oof": model.metrics.to_dict(),
    }


# --- preparing ---------------------------------------------------------------------------------


def _prepared(
    run: Run, folder: Path, journal: Journal, cancelled: Callable[[], bool]
) -> tuple[Plan, Dataset, str | None]:
    """Return plan, data set and the audit's verdict: those of an earlier attempt, or new ones."""
    kept = folder / _DATASET
    if workspace.whole(folder) is not None and kept.is_file():
        content = json.loads(kept.read_text(encoding="utf-8"))
        # The workers may have changed, and a model that it starts from its name.
        current = finetuning.current_weights(run.settings, run.parent)
        ready = replace(Plan.read(folder), settings=current)
        return ready, _dataset(content["dataset"]), content["verdict"]

    def progress(done: int, total: int) -> None:
        if cancelled():
            raise Cancelled("training was cancelled while the folder was read")

    listing = kept_audits.listing_key(run.folder, run.settings.group_by)
    examined = examine(run.folder, group_by=run.settings.group_by, progress=progress)
    dataset = examined.dataset
    folds = assign_folds(dataset.labels, dataset.groups, run.settings.folds, run.settings.seed)
    journal.log(describe(dataset))
    finetuning.require_new(run.parent, dataset)
    if run.fingerprint and dataset.fingerprint != run.fingerprint:
        journal.log("the folder has changed since the run was submitted; it is used as it is now")
    journal.data(dataset.fingerprint, len(dataset.items), len(set(dataset.groups.tolist())))
    for remark in dataset.notes:
        journal.log(remark)
    if dataset.unreadable:  # by number: their names may be patients', and the record stays
        journal.log(
            f"{len(dataset.unreadable)} files cannot be read and are left out; `spinefrac audit` "
            "names them and says why"
        )
    audited = audit.judge(examined)
    kept_audits.remember_listing(listing, audited)  # the next submission need not read it all
    del examined  # its thumbnails are not needed while training
    journal.log(f"audit of the data: {audited.verdict}")
    for finding in audited.findings:
        if finding.severity != "ok":
            journal.log(f"{finding.severity}: {finding.message}")
    content = {
        "dataset": {**asdict(dataset), "root": str(dataset.root)},
        "verdict": audited.verdict,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(kept, json.dumps(content).encode())
    except OSError as error:
        raise no_room("the plan of the run", error) from error
    ready = Plan(
        folder=folder,
        settings=finetuning.current_weights(run.settings, run.parent),
        inputs=load_inputs(dataset, run.settings.preprocessing, progress),
        labels=dataset.labels,
        groups=dataset.groups,
        folds=folds,
    )
    ready.write()
    return ready, dataset, audited.verdict


def _dataset(content: dict[str, Any]) -> Dataset:
    return Dataset(
        root=Path(content["root"]),
        items=tuple(Item(**item) for item in content["items"]),
        group_rule=content["group_rule"],
        fingerprint=content["fingerprint"],
        unreadable=tuple(Unreadable(**entry) for entry in content["unreadable"]),
        notes=tuple(content["notes"]),
    )


def describe(dataset: Dataset) -> str:
    """Say in one line what a data set holds and what its folds keep together."""
    labels = dataset.labels
    left_out = f", {len(dataset.unreadable)} unreadable left out" if dataset.unreadable else ""
    return (
        f"{len(labels)} slices, {int(labels.sum())} with a fracture, "
        f"{len(np.unique(dataset.groups))} groups ({dataset.group_rule}){left_out}"
    )


# --- training ----------------------------------------------------------------------------------


def _trained(
    run: Run, ready: Plan, journal: Journal, cancelled: Callable[[], bool]
) -> list[FoldResult]:
    """Return every fold's result, training what is not trained yet."""
    folds = range(ready.settings.folds)
    at_once = folds_at_once(ready.settings)
    started = time.monotonic()
    open_folds = sum(ready.read_result(fold) is None for fold in folds)
    with dask_cluster.connected(run.cluster, min(at_once, max(open_folds, 1))) as client:
        results = train_folds(ready, client, journal, cancelled, local=run.cluster is None)
    if open_folds:
        journal.log(f"trained {open_folds} folds in {time.monotonic() - started:.0f} s")
    return results


# --- saving ------------------------------------------------------------------------------------


def _already_saved(
    name: str, dataset: Dataset, ready: Plan, results: list[FoldResult]
) -> SavedModel | None:
    """Return the model where this very run saved it and was killed before it could note that."""
    try:
        model = repository.load(name)
    except ModelError:
        return None  # not there, or not whole: saving says what is the matter
    if not model.measured:
        return None
    kept = model.oof()
    if model.data.fingerprint != dataset.fingerprint or kept.paths != dataset.paths:
        return None
    return model if np.array_equal(kept.logits, _logits(ready, results)) else None


def _logits(ready: Plan, results: list[FoldResult]) -> np.ndarray:
    logits = np.empty(len(ready.labels), np.float64)
    for result in results:
        logits[result.rows] = result.logits
    return logits


def _new_model(
    run: Run, dataset: Dataset, ready: Plan, results: list[FoldResult]
) -> saving.NewModel:
    """Gather what the folds left behind into what the store writes."""
    logits = _logits(ready, results)
    probabilities = calibration.cross_fitted_probabilities(logits, ready.labels, ready.folds)
    point = operating_point.choose(ready.labels, probabilities, ready.groups, run.threshold_rule)
    return saving.NewModel(
        id=run.name,
        note=run.note,
        network=ready.settings.network,
        settings=ready.settings.to_dict(),
        preprocessing=ready.settings.preprocessing,
        fold_models=[_fold_model(ready.settings, result.weights) for result in results],
        out_of_fold=OutOfFold(
            paths=dataset.paths,
            groups=ready.groups,
            labels=ready.labels,
            folds=ready.folds,
            logits=logits,
            probabilities=probabilities,
            pixel_hashes=tuple(item.pixel_hash for item in dataset.items),
            subgroups=dataset.subgroups,
        ),
        history=tuple(record for result in results for record in result.history),
        metrics=summarize(ready.labels, probabilities, ready.groups, point.threshold),
        temperature=calibration.fit_temperature(logits, ready.labels),
        temperature_method=_TEMPERATURE_METHOD,
        operating_point=point,
        data=DataSummary.of(dataset),
        input_check=input_statistics.fit(ready.inputs, ready.groups),
        probes=_probes(ready),
    )


def _fold_model(settings: TrainingSettings, weights: Path) -> keras.Model:
    model = networks.build(settings.network, settings.preprocessing.size)
    model.load_weights(weights)
    return networks.with_heatmap(model)


def _probes(ready: Plan) -> GreyImage:
    """Return slices spread evenly over the data set, on which the exports are compared."""
    rows = np.linspace(0, len(ready.labels) - 1, saving.PROBES).round().astype(int)
    return np.asarray(ready.inputs[rows])
