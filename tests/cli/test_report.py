"""`spinefrac report` as scripts see it."""

import json
from pathlib import Path

import pytest

from benchmarks.metrics_page import simulate_model
from spinefrac import settings
from spinefrac.cli import main


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    source = settings.models_dir() / "phantom-demo"
    if not source.is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    simulate_model(source, tmp_path / "models", "good", rows=120, separation=2.0)
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("name", "start"), [("r.html", b"<!doctype"), ("r.pdf", b"%PDF-")])
def test_report_is_written_whole(
    home: Path, capsys: pytest.CaptureFixture[str], name: str, start: bytes
) -> None:
    out = home / name
    assert main(["report", "good", "--out", str(out), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) == {"model", "file", "format", "bytes"}
    assert out.read_bytes().startswith(start) and answer["bytes"] == out.stat().st_size
    assert [path.name for path in home.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("wrong", ["r.doc", "none/r.html"])
def test_a_path_that_cannot_work_is_refused(home: Path, wrong: str) -> None:
    assert main(["report", "good", "--out", str(home / wrong)]) == 2
    assert main(["report", "good", "--data", str(home / "none")]) == 2
