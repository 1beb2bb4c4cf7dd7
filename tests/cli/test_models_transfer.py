"""`spinefrac models export|import|push|pull|log`."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from tests.support.onnx_network import onnx_network


@pytest.fixture
def model(small, monkeypatch: pytest.MonkeyPatch):
    """A small model that needs no TensorFlow, and its home in force."""
    monkeypatch.setenv("SPINEFRAC_HOME", str(small.path.parents[1]))
    return small


@pytest.fixture
def move_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Switch to another, empty home."""

    def move() -> None:
        monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "elsewhere"))

    return move


def test_an_export_is_imported_again(model, run_models, tmp_path, move_home) -> None:
    status, done, _ = run_models("export", model.id, "--out", str(tmp_path / "x.zip"), "--json")
    assert status == 0 and set(done) == {"path", "bytes", "names_kept", "formats", "script"}
    assert [entry["format"] for entry in done["formats"]] == ["onnx"]
    with zipfile.ZipFile(done["path"]) as archive:
        assert "predict.py" in archive.namelist()
    move_home()
    status, found, _ = run_models("import", str(tmp_path / "x.zip"), "--name", "again", "--json")
    assert (status, found["model"], found["measured"]) == (0, "again", False)


def test_an_export_is_described(model, run_models, tmp_path) -> None:
    status, out, _ = run_models("export", model.id, "--out", str(tmp_path / "x.zip"))
    assert status == 0 and "model/serving.onnx" in out
    assert "predict.py in it differs by at most" in out and "16 synthetic slices" in out


def test_a_network_is_imported_as_declared(model, run_models, tmp_path, move_home) -> None:
    move_home()
    (tmp_path / "net.onnx").write_bytes(onnx_network().SerializeToString())
    status, out, message = run_models("import", str(tmp_path / "net.onnx"))
    assert (status, out) == (1, "") and "--scale" in message and "--positive-class" in message
    status, out, message = run_models(
        *("import", str(tmp_path / "net.onnx"), "--scale", "0..1", "--positive-class", "1")
    )
    assert status == 0 and out.startswith("net: input 32 x 32 x 3 in 0..1, output softmax")
    assert "`spinefrac evaluate net FOLDER`" in message


def test_a_model_is_pushed_and_pulled(model, run_models, tmp_path, move_home) -> None:
    address = str(tmp_path / "far")
    assert run_models("push", model.id, address, "--json")[1]["card_sha256"] == model.card_hash
    assert "was there already" in run_models("push", model.id, address)[1]
    move_home()
    assert run_models("pull", f"{address}/{model.id}", "--json")[1]["model"] == model.id
    status, _, message = run_models("pull", f"{address}/none")
    assert status == 1
    assert message.startswith("error: There is no complete model") and message.count("\n") == 1
    card = json.loads((tmp_path / "far" / model.id / "card.json").read_text())
    assert card["id"] == model.id


def test_logging_without_an_address_is_refused(model, run_models, monkeypatch) -> None:
    monkeypatch.delenv("SPINEFRAC_MLFLOW_URI", raising=False)
    status, out, message = run_models("log", model.id)
    assert (status, out) == (1, "") and "SPINEFRAC_MLFLOW_URI" in message
