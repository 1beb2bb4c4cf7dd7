"""`spinefrac report` as scripts see it."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.metrics_page import simulate_model, write_model_with
from spinefrac import settings
from spinefrac.cli import main
from tests.support.out_of_fold import FEW_PATIENTS, rsna_out_of_fold


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


@pytest.mark.parametrize("patients", FEW_PATIENTS)
def test_a_model_of_few_patients_has_a_report(home: Path, patients: int) -> None:
    source, name = home / "models" / "good", f"few-{patients}"
    write_model_with(rsna_out_of_fold(patients), source, home / "models" / name)
    assert main(["report", name, "--out", str(home / "few.html")]) == 0
    text = (home / "few.html").read_text()
    assert "maker A" in text and "maker B" in text
    words = re.sub(r"<svg.*?</svg>|data:[^\"]*", "", text, flags=re.DOTALL)
    assert not re.search(r"\b(?:nan|NaN|None)\b", words)


@pytest.mark.parametrize("wrong", ["r.doc", "none/r.html"])
def test_a_path_that_cannot_work_is_refused(home: Path, wrong: str) -> None:
    assert main(["report", "good", "--out", str(home / wrong)]) == 2
    assert main(["report", "good", "--data", str(home / "none")]) == 2
