"""Saved models are logged to MLflow, against its own server where one can be started.

``SPINEFRAC_TEST_MLFLOW`` is the path of an ``mlflow`` command: the whole of MLflow needs other
versions of this package's libraries, so it lives in an environment of its own.
"""

import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from spinefrac.errors import ModelError
from spinefrac.exchange import mlflow_logging
from spinefrac.store import repository

SHIPPED = Path(__file__).parents[2] / "models" / repository.DEMO_MODEL_ID


@pytest.fixture(scope="module")
def demonstration():
    return repository.open_folder(SHIPPED)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of an MLflow server that keeps everything in SQLite."""
    command = os.environ.get("SPINEFRAC_TEST_MLFLOW", "")
    if not command:
        pytest.skip("no MLflow server: SPINEFRAC_TEST_MLFLOW is not the path of an mlflow command")
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(
            [
                *(command, "server", "--workers", "1", "--host", "127.0.0.1", "--port", str(port)),
                *("--backend-store-uri", f"sqlite:///{folder}/runs.db"),
                *("--artifacts-destination", str(folder / "artifacts")),
            ],
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=log,
            stderr=log,
        )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/health", timeout=5)
                break
            except OSError:
                assert child.poll() is None, (folder / "log").read_text()
                time.sleep(0.5)
        yield address
    finally:
        child.terminate()
        child.wait(timeout=60)


@pytest.mark.slow
def test_a_real_server_has_the_run_and_the_model(server, demonstration, capsys):
    from mlflow import MlflowClient

    done = mlflow_logging.log_model(demonstration, server)
    client = MlflowClient(server)
    run = client.get_run(done.run)
    assert run.info.status == "FINISHED"
    metrics = demonstration.metrics
    assert run.data.metrics["auc"] == pytest.approx(metrics.auc)
    assert run.data.metrics["auc.low_95"] == pytest.approx(metrics.ci["auc"][0])
    history = [entry for entry in demonstration.load_history() if entry.fold == 0]
    found = client.get_metric_history(done.run, "fold_0.loss")
    assert [entry.value for entry in found] == pytest.approx([entry.loss for entry in history])
    assert run.data.params["epochs"] == str(demonstration.card.settings["epochs"])
    names = {entry.path for entry in client.list_artifacts(done.run, "model")}
    assert names == {
        f"model/{name}" for name in ("card.json", "history.csv", "model.keras", "serving.onnx")
    }
    again = mlflow_logging.log_model(demonstration, server)
    assert (done.version, again.version) == ("1", "2")
    assert capsys.readouterr().out == ""


def test_without_an_address_nothing_is_told(demonstration, monkeypatch):
    monkeypatch.delenv("SPINEFRAC_MLFLOW_URI", raising=False)
    mlflow_logging.log_if_configured(demonstration, pytest.fail)
    with pytest.raises(ModelError, match="SPINEFRAC_MLFLOW_URI, got none"):
        mlflow_logging.log_model(demonstration)


def test_a_server_that_is_not_there_stops_nothing(demonstration, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("SPINEFRAC_MLFLOW_URI", "http://user:hidden@127.0.0.1:9")
    said = []
    mlflow_logging.log_if_configured(demonstration, said.append)
    (line,) = said
    assert line.startswith("not logged to MLflow, the model is saved anyway")
    assert "hidden" not in line and "\n" not in line


def test_the_client_is_asked_for_where_it_is_missing(demonstration, monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "mlflow":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModelError, match=r"install spinefrac\[mlflow\]"):
        mlflow_logging.log_model(demonstration, "http://127.0.0.1:9")


def test_every_number_has_a_name_that_mlflow_takes(demonstration):
    import re

    names = {name for name, _, _ in mlflow_logging._iterate_metrics(demonstration)}
    assert {"auc", "auc.low_95", "auc.high_95", "threshold", "fold_0.val_auc"} <= names
    assert all(re.fullmatch(r"[\w./ -]+", name) for name in names)
