"""Saved models and their training told to an MLflow server, where ``SPINEFRAC_MLFLOW_URI`` is
its address (``http://…``, or ``sqlite:///…`` where the whole of MLflow is installed).

One run a model: settings, every fold's history, metrics with the ends of their intervals, the
model's files and its card for people. The out-of-fold answers stay here: their file names may
name patients.
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
from spinefrac.store import card_markdown, repository

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "spinefrac"

#: Ends of this file's answers are not told, see above.
_STAYS = (repository.OOF_FILE,)

#: What MLflow takes at once.
_METRICS_AT_ONCE, _PARAMETERS_AT_ONCE, _LONGEST_PARAMETER = 1000, 100, 500

#: A server that does not answer holds nothing up for long; nothing is told to anybody else.
_MANNERS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


@dataclass(frozen=True, slots=True)
class Logged:
    """What MLflow has of a model: its run, and the version under its name."""

    model: str
    address: str
    run: str
    version: str


def log_if_asked(model: repository.SavedModel, say: Callable[[str], None]) -> None:
    """Tell MLflow of a model that was just saved; what goes wrong is said and stops nothing."""
    if not settings.mlflow_uri():
        return
    try:
        done = log(model)
        say(f"logged to MLflow at {done.address}: run {done.run}, version {done.version}")
    except ModelError as error:
        say(f"not logged to MLflow, the model is saved all the same: {error}")


def log(model: repository.SavedModel, address: str = "") -> Logged:
    """Tell an MLflow server of a saved model.

    Parameters
    ----------
    model : SavedModel
    address : str
        Of the server; ``SPINEFRAC_MLFLOW_URI`` if not given.

    Returns
    -------
    Logged

    Raises
    ------
    ModelError
        No address is set, the client is not installed, or the server does not take it.
    """
    address = address or settings.mlflow_uri()
    if not address:
        raise ModelError(
            "Expected the address of an MLflow server in SPINEFRAC_MLFLOW_URI, got none: set it, "
            "such as to http://127.0.0.1:5000"
        )
    for name, value in _MANNERS.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise ModelError(
            "Logging to MLflow needs its client, which is not installed: install spinefrac[mlflow]"
        ) from error
    try:
        return _log(MlflowClient(tracking_uri=address, registry_uri=address), model, address)
    except Exception as error:
        reason = validation.short(error).replace(address, remote.shown(address))
        raise ModelError(
            f"MLflow at {remote.shown(address)} did not take the model ({type(error).__name__}: "
            f"{reason}): check the address and that the server runs"
        ) from error


def _log(client: MlflowClient, model: repository.SavedModel, address: str) -> Logged:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    where = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT)
    run = client.create_run(where, run_name=model.id, tags=_tags(model)).info
    finished = "FAILED"
    try:
        _log_numbers(client, run.run_id, model)
        _log_files(client, run.run_id, model)
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
    return Logged(model.id, remote.shown(address), run.run_id, str(version.version))


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


def _log_numbers(client: MlflowClient, run: str, model: repository.SavedModel) -> None:
    """Send settings as parameters; history and metrics as metrics."""
    from mlflow.entities import Metric, Param

    parameters = [
        Param(name, str(value)[:_LONGEST_PARAMETER])
        for name, value in _flat(
            {**model.card.settings, "preprocessing": model.preprocessing.to_dict()}
        )
    ]
    for start in range(0, len(parameters), _PARAMETERS_AT_ONCE):
        client.log_batch(run, params=parameters[start : start + _PARAMETERS_AT_ONCE])
    moment = int(1000 * datetime.fromisoformat(model.card.created).timestamp())
    found = [Metric(name, value, moment, step) for name, value, step in _numbers(model)]
    for start in range(0, len(found), _METRICS_AT_ONCE):
        client.log_batch(run, metrics=found[start : start + _METRICS_AT_ONCE])


def _numbers(model: repository.SavedModel) -> Iterator[tuple[str, float, int]]:
    """Yield name, value and step of every number."""
    yield "threshold", model.threshold, 0
    yield "temperature", model.temperature, 0
    for record in model.history():
        for name in ("loss", "val_loss", "val_auc"):
            yield f"fold_{record.fold}.{name}", float(getattr(record, name)), record.epoch
    if not model.measured:
        return
    metrics = model.metrics.to_dict()
    for name, value in metrics.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value), 0
    for name, interval in model.metrics.ci.items():
        yield f"{name}.low_95", interval[0], 0
        yield f"{name}.high_95", interval[1], 0


def _flat(value: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, entry in value.items():
        if isinstance(entry, dict):
            yield from _flat(entry, f"{before}{name}.")
        else:
            yield f"{before}{name}", entry


def _log_files(client: MlflowClient, run: str, model: repository.SavedModel) -> None:
    for name in (*model.card.files, repository.CARD_FILE):
        if name not in _STAYS:
            client.log_artifact(run, str(model.path / name), "model")
    with tempfile.TemporaryDirectory() as folder:
        card = Path(folder) / card_markdown.FILE_NAME
        card.write_text(card_markdown.markdown(model), encoding="utf-8")
        client.log_artifact(run, str(card))
