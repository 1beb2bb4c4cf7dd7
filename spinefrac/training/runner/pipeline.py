"""The stages of a run: prepare its workspace, train its folds, save the model.

Each stage leaves files in the run's folder from which the next attempt resumes: the workspace with
the slices, then checkpoints and each fold's weights and predictions. A run ends only with a saved
model, so weights are never lost to a full disk.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinefrac import audit, redaction
from spinefrac.data import phantom
from spinefrac.data.places import PlaceMaps, describe_places, load_places
from spinefrac.data.scan import Examination, examine, load_inputs
from spinefrac.data.splits import DEFAULT_FOLDS, assign_folds, count_folds
from spinefrac.errors import Cancelled, DatasetError, ModelError
from spinefrac.evaluation import baseline_comparison, calibration, operating_point
from spinefrac.evaluation.metrics import compute_metrics
from spinefrac.evaluation.scans.scan_metrics import ScanMetrics
from spinefrac.exchange import mlflow_logging, save_model
from spinefrac.records import Dataset, FoldResult, GreyImage, Item, OutOfFoldPredictions, Unreadable
from spinefrac.store import input_statistics, repository
from spinefrac.store.card import DataSummary
from spinefrac.store.repository import SavedModel
from spinefrac.system import atomic, private_files
from spinefrac.system.hidden_modules import lean_keras_import
from spinefrac.training import finetuning, heads, networks, workspace
from spinefrac.training.checkpoint import wrap_write_error
from spinefrac.training.runner import dask_cluster, scan_results
from spinefrac.training.runner.fold_scheduler import train_folds
from spinefrac.training.runner.journal import RunJournal
from spinefrac.training.runs.estimates import count_parallel_folds
from spinefrac.training.runs.records import Run
from spinefrac.training.settings import TrainingSettings
from spinefrac.training.workspace import RunWorkspace
from spinefrac.wording import explain_fewer_folds

if TYPE_CHECKING:
    import keras

_DATASET_FILE = "dataset.json"
_TEMPERATURE_METHOD = (
    "temperature scaling on out-of-fold logits of single networks; out-of-fold probabilities use "
    "the temperature of the other folds, new slices that of all folds, on the mean logit of the "
    "ensemble; the threshold was chosen on the same out-of-fold probabilities that the metrics "
    "describe"
)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What the first stage leaves for the others.

    `baseline_scores` are those of the audit's baselines in the run's own folds, each (N,), by
    name; empty where an earlier version prepared the run.
    """

    workspace: RunWorkspace
    dataset: Dataset
    verdict: str | None
    baseline_scores: dict[str, list[float]]


def execute_run(
    run: Run,
    folder: Path,
    journal: RunJournal,
    is_cancelled: Callable[[], bool],
    on_stage: Callable[[str], None],
) -> SavedModel:
    """Execute a run from its current stage to its saved model.

    Parameters
    ----------
    run : Run
    folder : Path
        Of the run; created where it is missing.
    journal : RunJournal
    is_cancelled : callable
        Called often, until the model is being saved.
    on_stage : callable
        Called with each stage: ``preparing``, ``training``, ``saving``.

    Raises
    ------
    DatasetError, TrainingError, ModelError
        It failed and can be resumed.
    Cancelled
        `is_cancelled` returned True.
    """
    on_stage("preparing")
    workspace.remove_temporary_files(folder)
    prepared = _prepare_workspace(run, folder, journal, is_cancelled)
    on_stage("training")
    results = _train_folds(run, prepared.workspace, journal, is_cancelled)
    on_stage("saving")
    model = _find_saved_model(run.name, prepared.dataset, prepared.workspace, results)
    if model is None:
        journal.log("all folds are trained; saving the model")
        with lean_keras_import():
            import keras  # noqa: F401 - all that follows needs it
        model = save_model.save(_assemble_model(run, prepared, results))
        if notice := baseline_comparison.describe_comparison(model.card.baselines):
            journal.log(notice)
        mlflow_logging.log_if_configured(model, journal.log)
    workspace.remove_training_files(folder)
    (folder / _DATASET_FILE).unlink(missing_ok=True)
    return model


def summarize_run(model: SavedModel, run_id: str, seconds: float) -> dict[str, Any]:
    """Return a run's result, as ``spinefrac train --json`` prints it."""
    return {
        "model": model.id,
        "run": run_id,
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
        "unit": "scans" if model.is_of_scans else "slices",
        "oof": model.metrics.to_dict(),
        **({"scan_slices": asdict(model.card.scan_metrics)} if model.card.scan_metrics else {}),
        "baselines": baseline_comparison.to_json_entry(model.card.baselines),
    }


# --- preparing ---------------------------------------------------------------------------------


def _prepare_workspace(
    run: Run, folder: Path, journal: RunJournal, is_cancelled: Callable[[], bool]
) -> _Prepared:
    """Return what training needs, of an earlier attempt or new."""
    if (prepared := _read_prepared(run, folder)) is not None:
        return prepared

    def progress(done: int, total: int) -> None:
        if is_cancelled():
            raise Cancelled("training was cancelled while the folder was read")

    _require_same_place(run.folder)
    examined = examine(run.folder, group_by=run.settings.group_by, progress=progress)
    bags = scan_results.number_bags(examined.dataset, run.settings)
    dataset, places = _load_places(examined.dataset, run.settings)
    folds = assign_folds(dataset.labels, dataset.groups, run.settings.folds, run.settings.seed)
    _record_dataset(run, dataset, journal)
    settings = _record_folds(run.settings, count_folds(folds), journal)
    verdict = _audit(examined, journal)
    baseline_scores = audit.score_baselines_in_folds(examined, folds)
    del examined  # its thumbnails are not needed while training
    _write_dataset(folder, dataset, verdict, baseline_scores)
    ready = RunWorkspace(
        folder=folder,
        settings=finetuning.resolve_parent_weights(settings, run.parent),
        inputs=load_inputs(dataset, run.settings.preprocessing, progress),
        labels=dataset.labels,
        groups=_number_groups(dataset.groups),
        folds=folds,
        places=places,
        bags=bags,
    )
    ready.write()
    return _Prepared(ready, dataset, verdict, baseline_scores)


def _audit(examined: Examination, journal: RunJournal) -> str:
    """Audit the folder, log what was found, and return the verdict."""
    audited = audit.audit_examination(examined)
    journal.log(f"audit of the data: {audited.verdict}")
    for finding in audited.findings:
        if finding.severity != "ok":
            journal.log(f"{finding.severity}: {finding.message}")
    return audited.verdict


def _load_places(dataset: Dataset, settings: TrainingSettings) -> tuple[Dataset, PlaceMaps | None]:
    """Return the places to learn from, if any, and the data set with a note on them."""
    places = load_places(dataset, settings.preprocessing) if settings.places else None
    if places is None:
        return dataset, None
    return replace(dataset, notes=(*dataset.notes, describe_places(places, dataset))), places


def _require_same_place(folder: str) -> None:
    """Refuse a folder that was replaced by a link after its place was checked."""
    if Path(folder).resolve() != Path(folder):
        raise DatasetError(
            "the data folder, or one above it, was replaced by a link after the run was submitted, "
            "and the link is not followed: submit the run again with the folder that is meant"
        )


def _number_groups(groups: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    """Return numbers in place of groups, sorted as they are: workers of a cluster get them."""
    numbers = np.unique(groups, return_inverse=True)[1]
    return np.array([f"group-{number:06}" for number in numbers])


def _read_prepared(run: Run, folder: Path) -> _Prepared | None:
    """Return what an earlier attempt prepared; None where there is none, or not all of it."""
    saved = folder / _DATASET_FILE
    if workspace.read_digest(folder) is None or not saved.is_file():
        return None
    content = json.loads(saved.read_text(encoding="utf-8"))
    # The number of workers may have changed, and the name of the model that it starts from.
    current = finetuning.resolve_parent_weights(run.settings, run.parent)
    ready = RunWorkspace.read(folder)
    ready = replace(ready, settings=replace(current, folds=ready.n_folds))
    dataset, scores = _parse_dataset(content["dataset"]), content.get("baseline_scores", {})
    return _Prepared(ready, dataset, content["verdict"], scores)


def _record_dataset(run: Run, dataset: Dataset, journal: RunJournal) -> None:
    """Record which data set it is and what people should know of it; refuse known slices."""
    journal.log(describe_dataset(dataset))
    finetuning.require_unseen_slices(run.parent, dataset)
    if run.fingerprint and dataset.fingerprint != run.fingerprint:
        journal.log("the folder has changed since the run was submitted; it is used as it is now")
    journal.record_dataset(
        dataset.fingerprint, len(dataset.items), len(set(dataset.groups.tolist()))
    )
    for note in dataset.notes:
        journal.log(note)
    if dataset.unreadable:  # by number: their names may be patients', and the log stays
        journal.log(
            f"{len(dataset.unreadable)} files cannot be read and are left out; `spinefrac audit` "
            "names them and says why"
        )


def _record_folds(
    settings: TrainingSettings, n_folds: int, journal: RunJournal
) -> TrainingSettings:
    """Return the settings with the number of folds; say it where it was left open."""
    if settings.folds is None:
        journal.record_folds(n_folds)
        if note := explain_fewer_folds(n_folds, DEFAULT_FOLDS):
            journal.log(note)
    return replace(settings, folds=n_folds)


def _write_dataset(
    folder: Path, dataset: Dataset, verdict: str | None, baseline_scores: dict[str, list[float]]
) -> None:
    content = {
        "dataset": {**asdict(dataset), "root": str(dataset.root)},
        "verdict": verdict,
        "baseline_scores": baseline_scores,
    }
    try:
        private_files.make_folder(folder)
        atomic.write_bytes(folder / _DATASET_FILE, json.dumps(content).encode())
    except OSError as error:
        raise wrap_write_error("the workspace of the run", error) from error


def _parse_dataset(content: dict[str, Any]) -> Dataset:
    return Dataset(
        root=Path(content["root"]),
        items=tuple(Item(**item) for item in content["items"]),
        group_rule=content["group_rule"],
        fingerprint=content["fingerprint"],
        unreadable=tuple(Unreadable(**entry) for entry in content["unreadable"]),
        notes=tuple(content["notes"]),
        details=tuple(content.get("details", ())),
    )


def describe_dataset(dataset: Dataset) -> str:
    """Return one line on a data set: slices, classes, groups, grouping rule."""
    labels = dataset.labels
    left_out = f", {len(dataset.unreadable)} unreadable left out" if dataset.unreadable else ""
    counts = f"{len(labels)} slices, {int(labels.sum())} with a fracture"
    if dataset.is_of_scans:
        fractured = {item.scan for item in dataset.items if item.label}
        scans = {item.scan for item in dataset.items}
        counts = f"{len(scans)} scans, {len(fractured)} with a fracture, of {len(labels)} slices"
    return (
        f"{counts}, "
        f"{len(np.unique(dataset.groups))} groups "
        f"({redaction.clean_group_rule(dataset.group_rule)}){left_out}"
    )


# --- training ----------------------------------------------------------------------------------


def _train_folds(
    run: Run, run_workspace: RunWorkspace, journal: RunJournal, is_cancelled: Callable[[], bool]
) -> list[FoldResult]:
    """Return every fold's result; train those that are missing."""
    folds = range(run_workspace.n_folds)
    at_once = count_parallel_folds(run_workspace.settings)
    started = time.monotonic()
    open_folds = sum(run_workspace.read_result(fold) is None for fold in folds)
    with dask_cluster.open_client(run.cluster, min(at_once, max(open_folds, 1))) as client:
        results = train_folds(
            run_workspace, client, journal, is_cancelled, is_local=run.cluster is None
        )
    if open_folds:
        journal.log(f"trained {open_folds} folds in {time.monotonic() - started:.0f} s")
    return results


# --- saving ------------------------------------------------------------------------------------


def _find_saved_model(
    name: str, dataset: Dataset, run_workspace: RunWorkspace, results: list[FoldResult]
) -> SavedModel | None:
    """Return the model where this run saved it and was killed before it could record that."""
    try:
        model = repository.load(name)
    except ModelError:
        return None  # missing or damaged: saving reports what is wrong
    if not model.has_out_of_fold:
        return None
    if model.data.fingerprint != dataset.fingerprint or model.is_of_scans != dataset.is_of_scans:
        return None
    saved, logits = model.load_out_of_fold(), _collect_logits(run_workspace, results)
    if dataset.is_of_scans:
        slices = _collect_out_of_fold(dataset, run_workspace, logits)
        logits = scan_results.collect_results(slices, dataset).scans.logits
    return model if np.array_equal(saved.logits, logits) else None


def _collect_logits(run_workspace: RunWorkspace, results: list[FoldResult]) -> np.ndarray:
    logits = np.empty(len(run_workspace.labels), np.float64)
    for result in results:
        logits[result.rows] = result.logits
    return logits


def _assemble_model(
    run: Run, prepared: _Prepared, results: list[FoldResult]
) -> save_model.NewModel:
    """Collect the results of the folds into what the store writes."""
    dataset, run_workspace = prepared.dataset, prepared.workspace
    found = _collect_predictions(prepared, results)
    units = found.units
    varieties = phantom.read_varieties(dataset.root, dataset.paths)
    reference_rows = _select_reference_rows(varieties)
    point = operating_point.choose_threshold(
        units.labels, units.probabilities, units.groups, run.threshold_rule
    )
    return save_model.NewModel(
        id=run.name,
        note=run.note,
        network=run_workspace.settings.network,
        settings=run_workspace.settings.to_dict(),
        preprocessing=run_workspace.settings.preprocessing,
        fold_models=[
            _load_fold_model(run_workspace.settings, result.weights) for result in results
        ],
        out_of_fold=units,
        slice_predictions=found.slices,
        scan_metrics=found.scan_metrics,
        history=tuple(record for result in results for record in result.history),
        metrics=compute_metrics(units.labels, units.probabilities, units.groups, point.threshold),
        temperature=found.temperature,
        temperature_method=found.temperature_method,
        operating_point=point,
        data=DataSummary.from_dataset(dataset),
        input_check=_fit_statistics(prepared, reference_rows),
        verification_inputs=_select_verification_slices(run_workspace),
        training_inputs=run_workspace.inputs,
        synthetic=all(varieties),
        reference_rows=reference_rows,
        audit_verdict=prepared.verdict,
        baselines=baseline_comparison.compare_with_baselines(
            units.labels, units.logits, found.baseline_scores, units.folds, units.groups
        ),
        parent=run.parent,
        trained_by=run.trained_by,
    )


@dataclass(frozen=True)
class _Predictions:
    """Out-of-fold predictions in the unit of the labels, slices or scans, and how calibrated.

    `slices` and `scan_metrics` are None where the units are slices.
    """

    units: OutOfFoldPredictions
    slices: OutOfFoldPredictions | None
    scan_metrics: ScanMetrics | None
    temperature: float
    temperature_method: str
    baseline_scores: dict[str, list[float]]


def _collect_predictions(prepared: _Prepared, results: list[FoldResult]) -> _Predictions:
    """Calibrate the logits of the folds, and pool them where the labels are of scans."""
    dataset, ready = prepared.dataset, prepared.workspace
    logits = _collect_logits(ready, results)
    slices = _collect_out_of_fold(dataset, ready, logits)
    if dataset.is_of_scans:
        found = scan_results.collect_results(slices, dataset)
        return _Predictions(
            found.scans,
            found.slices,
            scan_results.measure_slices(found, dataset),
            found.temperature,
            scan_results.TEMPERATURE_METHOD,
            scan_results.pool_baselines(prepared.baseline_scores, found.slices, dataset),
        )
    return _Predictions(
        slices,
        None,
        None,
        calibration.fit_temperature(logits, ready.labels),
        _TEMPERATURE_METHOD,
        prepared.baseline_scores,
    )


def _collect_out_of_fold(
    dataset: Dataset, ready: RunWorkspace, logits: npt.NDArray[np.float64]
) -> OutOfFoldPredictions:
    """Return the predictions of slices, calibrated by slice."""
    return OutOfFoldPredictions(
        paths=dataset.paths,
        groups=dataset.groups,
        labels=ready.labels,
        folds=ready.folds,
        logits=logits,
        probabilities=calibration.cross_fit_probabilities(logits, ready.labels, ready.folds),
        pixel_hashes=tuple(item.pixel_hash for item in dataset.items),
        positions=dataset.positions,
        subgroups=dataset.subgroups,
    )


def _fit_statistics(
    prepared: _Prepared, rows: npt.NDArray[np.int64]
) -> input_statistics.InputCheckStatistics:
    inputs = np.asarray(prepared.workspace.inputs[rows])
    return input_statistics.fit(inputs, prepared.dataset.groups[rows])


def _select_reference_rows(varieties: list[str]) -> npt.NDArray[np.int64]:
    """Return the slices that new ones are compared with.

    Wide phantoms are far more varied than any population, so that almost any slice is like some of
    them: they teach a network, and are no reference beside others.
    """
    others = np.flatnonzero([variety != "wide" for variety in varieties])
    return others if len(others) else np.arange(len(varieties))


def _load_fold_model(settings: TrainingSettings, weights: Path) -> keras.Model:
    model = networks.build_network(settings.network, settings.preprocessing.size)
    model.load_weights(weights)
    return heads.add_heatmap_output(model)


def _select_verification_slices(run_workspace: RunWorkspace) -> GreyImage:
    """Return slices spread evenly over the data set, on which the exports are compared."""
    rows = (
        np.linspace(0, len(run_workspace.labels) - 1, save_model.MIN_VERIFICATION_INPUTS)
        .round()
        .astype(int)
    )
    return np.asarray(run_workspace.inputs[rows])
