"""`spinefrac compare` as scripts see it."""

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
    for name, skill in (("good", 2.0), ("poor", 0.3)):
        simulate_model(source, tmp_path / "models", name, rows=120, separation=skill)
    simulate_model(
        source, tmp_path / "models", "stranger", rows=60, separation=1.0, fingerprint="e" * 64
    )
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return tmp_path


def test_compare_gives_its_keys(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "good", "poor", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) == {"on", "n", "groups", "models", "pairs"}
    assert (answer["on"], answer["n"], answer["groups"]) == ("out-of-fold", 120, 10)
    (pair,) = answer["pairs"]
    assert {"first", "second", "differences", "delong", "mcnemar", "conclusion"} == set(pair)
    assert set(pair["differences"]["auc"]) == {"value", "interval", "p", "p_holm"}
    assert pair["differences"]["auc"]["value"] > 0
    assert main(["compare", "good", "poor"]) == 0
    assert "good minus poor" in capsys.readouterr().out


def test_compare_refuses_what_cannot_be_compared(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "good", "good"]) == 2
    assert main(["compare", "good", "stranger"]) == 1
    stderr = capsys.readouterr().err
    assert "none of them has seen" in stderr and "Traceback" not in stderr
