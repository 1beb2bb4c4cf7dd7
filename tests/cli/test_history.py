"""`spinefrac history` as scripts see it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spinefrac.cli import main
from spinefrac.inference import history
from spinefrac.records import CtSlice, ModelInput, Prediction, Square


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    monkeypatch.delenv("SPINEFRAC_HISTORY", raising=False)
    pixels = np.zeros((8, 8), np.uint8)
    ct = CtSlice(pixels=pixels, calibrated=False, spacing_mm=None, format="png")
    prediction = Prediction(
        "m", 0.75, 0.5, (0.75,), None, ModelInput(pixels, Square(0, 0, 8)), None, 1.0
    )
    entry = history.save_prediction(ct, prediction, "c" * 64)
    assert entry is not None
    history.save_feedback(entry, "agree", "a note\nof two lines")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["history", *arguments]) == 0
    return capsys.readouterr().out


def test_entries_are_listed_in_one_line_and_as_json(home: Path, capsys) -> None:
    text = run(capsys)
    assert "0.750" in text and "agree" in text and "a note of two lines" in text
    (entry,) = json.loads(run(capsys, "--json"))
    assert entry["probability"] == 0.75 and entry["verdict"] == "agree"


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_the_whole_history_is_written_to_a_file(home: Path, capsys, ending: str) -> None:
    out = home / f"out.{ending}"
    assert json.loads(run(capsys, "--out", str(out), "--json")) == {"file": str(out), "answers": 1}
    assert "0.75" in out.read_text(encoding="utf-8")


def test_clear_deletes_everything(home: Path, capsys) -> None:
    assert json.loads(run(capsys, "--clear", "--json")) == {"cleared": 1}
    assert "There are no predictions yet" in run(capsys)


@pytest.mark.parametrize("wrong", [["--out", "a.doc"], ["--clear", "--out", "a.csv"]])
def test_wrong_options_are_refused(home: Path, wrong: list[str]) -> None:
    assert main(["history", *wrong]) == 2
