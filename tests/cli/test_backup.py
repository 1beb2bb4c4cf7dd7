"""`spinefrac backup` and `spinefrac restore`."""

import json
import shutil
from pathlib import Path

import pytest

from spinefrac.cli import main
from spinefrac.training import runs
from spinefrac.training.runs import database
from tests.support.runs import submit
from tests.training.conftest import quick_settings, write_slices

ROOT = Path(__file__).resolve().parents[2]


def test_a_home_is_restored_elsewhere(tmp_path, monkeypatch, capsys):
    if not (ROOT / "models" / "phantom-demo").is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))
    shutil.copytree(ROOT / "models/phantom-demo", tmp_path / "home/models/phantom-demo")
    submit(write_slices(tmp_path / "spines"), quick_settings())
    file = str(tmp_path / "home.zip")
    assert main(["backup", file, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["files"] > 5 and made["file"] == file
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "other"))
    assert main(["restore", file, "--json"]) == 0
    capsys.readouterr()
    assert main(["models", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["id"] == "phantom-demo"
    assert runs.get_run("first").state == "queued"
    assert main(["restore", file]) == 1
    assert "--replace" in capsys.readouterr().err


def test_no_run_may_train_meanwhile(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))
    submit(write_slices(tmp_path / "spines"), quick_settings())
    assert main(["backup", str(tmp_path / "home.zip")]) == 0
    with database.write_transaction() as connection:
        connection.execute("UPDATE runs SET state = 'running'")
    assert main(["restore", str(tmp_path / "home.zip"), "--replace"]) == 1
    assert "A run is training" in capsys.readouterr().err
