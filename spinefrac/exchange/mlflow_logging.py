"""Log saved models and their training to the MLflow server in ``SPINEFRAC_MLFLOW_URI``
(``http://…``, or ``sqlite:///…`` where all of MLflow is installed).

One run for each model: settings, the history of every fold, metrics with the ends of their
intervals, the model's files and its model card. The out-of-fold predictions are not logged: the
policy (`spinefrac.redaction`) leaves slices, groups and series out.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spinefrac import settings
from spinefrac.errors import ModelError
from spinefrac.exchange import remote, validation
from spinefrac.exchange.shared_files import SharedFiles, prepare_files
from spinefrac.redaction import Information, Output, is_kept
from spinefrac.store import card_markdown, repository

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT_NAME = "spinefrac"

#: Limits of one call to MLflow.
_METRICS_PER_BATCH, _PARAMS_PER_BATCH, _MAX_PARAM_LENGTH = 1000, 100, 500

#: Short timeouts, so that a server that does not respond delays nothing; no telemetry.
_CLIENT_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """A model in MLflow: its run, and the version under its name."""

    model: str
    address: str
    run: str
    version: str


def log_if_configured(model: repository.SavedModel, notify: Callable[[str], None]) -> None:
    """Log a model that was just saved; an error is reported and stops nothing."""
    if not settings.mlflow_uri():
        return
    try:
        done = log_model(model)
        notify(f"logged to MLflow at {done.address}: run {done.run}, version {done.version}")
    except ModelError as error:
        notify(f"not logged to MLflow, the model is saved anyway: {error}")


def log_model(model: repository.SavedModel, tracking_uri: str = "") -> LoggedRun:
    """Log a saved model to an MLflow server.

    Parameters
    ----------
    model : SavedModel
    tracking_uri : str
        Address of the server; by default ``SPINEFRAC_MLFLOW_URI``.

    Returns
    -------
    LoggedRun

    Raises
    ------
    ModelError
        No address is set, the client is not installed, or the server refuses the model.
    """
    tracking_uri = tracking_uri or settings.mlflow_uri()
    if not tracking_uri:
        raise ModelError(
            "Expected the address of an MLflow server in SPINEFRAC_MLFLOW_URI, got none: set it, "
            "such as to http://127.0.0.1:5000"
        )
    for name, value in _CLIENT_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise ModelError(
            "Logging to MLflow needs its client, which is not installed: install spinefrac[mlflow]"
        ) from error
    try:
        client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
        with tempfile.TemporaryDirectory() as scratch:
            shared = prepare_files(model, Path(scratch), Output.MLFLOW)
            return _log_model(client, shared, tracking_uri)
    except Exception as error:
        reason = validation.summarize_error(error).replace(
            tracking_uri, remote.redact_address(tracking_uri)
        )
        raise ModelError(
            f"MLflow at {remote.redact_address(tracking_uri)} did not accept the model "
            f"({type(error).__name__}: {reason}): check the address and that the server runs"
        ) from error


def _log_model(client: MlflowClient, shared: SharedFiles, tracking_uri: str) -> LoggedRun:
    model = shared.model
    experiment = client.get_experiment_by_name(EXPERIMENT_NAME)
    where = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT_NAME)
    run = client.create_run(where, run_name=model.id, tags=_tags(model)).info
    finished = "FAILED"
    try:
        _log_params_and_metrics(client, run.run_id, model)
        _log_artifacts(client, run.run_id, shared)
        finished = "FINISHED"
    finally:
        client.set_terminated(run.run_id, finished)
    if not client.search_registered_models(f"name = '{model.id}'"):
        client.create_registered_model(model.id, description=model.card.note or None)
    version = client.create_model_version(
        model.id,
        f"{run.artifact_uri}/model",
        run.run_id,
        tags={"card_sha256": model.card_hash},
        await_creation_for=30,
    )
    return LoggedRun(
        model.id, remote.redact_address(tracking_uri), run.run_id, str(version.version)
    )


def _tags(model: repository.SavedModel) -> dict[str, str]:
    card = model.card
    tags = {
        "model": model.id,
        "card_sha256": model.card_hash,
        "network": card.network,
        "audit_verdict": card.audit_verdict or "not audited",
        "heatmap": card.heatmap,
    }
    if card.data:
        tags |= {"data_fingerprint": card.data.fingerprint, "group_rule": card.data.group_rule}
    return tags


def _log_params_and_metrics(client: MlflowClient, run: str, model: repository.SavedModel) -> None:
    """Send settings as parameters; history and metrics as metrics."""
    from mlflow.entities import Metric, Param

    parameters = [
        Param(name, str(value)[:_MAX_PARAM_LENGTH])
        for name, value in _flatten(
            {**model.card.settings, "preprocessing": model.preprocessing.to_dict()}
        )
    ]
    for start in range(0, len(parameters), _PARAMS_PER_BATCH):
        client.log_batch(run, params=parameters[start : start + _PARAMS_PER_BATCH])
    moment = int(1000 * datetime.fromisoformat(model.card.created).timestamp())
    found = [Metric(name, value, moment, step) for name, value, step in _iterate_metrics(model)]
    for start in range(0, len(found), _METRICS_PER_BATCH):
        client.log_batch(run, metrics=found[start : start + _METRICS_PER_BATCH])


def _iterate_metrics(model: repository.SavedModel) -> Iterator[tuple[str, float, int]]:
    """Yield name, value and step of every metric."""
    yield "threshold", model.threshold, 0
    yield "temperature", model.temperature, 0
    for record in model.load_history():
        for name in ("loss", "val_loss", "val_auc"):
            yield f"fold_{record.fold}.{name}", float(getattr(record, name)), record.epoch
    if not model.has_out_of_fold:
        return
    metrics = model.metrics.to_dict()
    for name, value in metrics.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value), 0
    for name, interval in model.metrics.ci.items():
        yield f"{name}.low_95", interval[0], 0
        yield f"{name}.high_95", interval[1], 0


def _flatten(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the entries of nested dictionaries, with names joined by dots."""
    for name, entry in value.items():
        if isinstance(entry, dict):
            yield from _flatten(entry, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", entry


def _log_artifacts(client: MlflowClient, run: str, shared: SharedFiles) -> None:
    """Send the model's files and its model card; the table of slices only where it may leave."""
    for name, path in shared.paths.items():
        if name != repository.OOF_FILE or is_kept(Output.MLFLOW, Information.FILE_NAMES):
            client.log_artifact(run, str(path), "model")
    with tempfile.TemporaryDirectory() as folder:
        card = Path(folder) / card_markdown.FILE_NAME
        card.write_text(card_markdown.render_markdown(shared.model), encoding="utf-8")
        client.log_artifact(run, str(card))
