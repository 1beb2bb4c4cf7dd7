"""`spinefrac predict --series`: one score a series, and what is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from spinefrac import settings
from spinefrac.cli import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict], str]:
    status = main(["predict", *arguments, "--json"])
    told = capsys.readouterr()
    return status, json.loads(told.out), told.err


def test_a_series_gets_one_score_and_says_what_is_missing(scan, capsys, tmp_path) -> None:
    folder = shutil.copytree(scan, tmp_path / "gap")
    (folder / "notes.txt").unlink()
    (folder / "im2").unlink()
    status, answers, _ = run(capsys, str(folder), "--series")
    assert status == 0
    (answer,) = answers
    assert answer["slices"] == len(answer["probabilities"]) == 5
    # The slices that count are those not unlike the training slices: `predict` grades each.
    _, one_by_one, _ = run(capsys, str(folder))
    probability_of = {one["file"]: one for one in one_by_one}
    in_order = [probability_of[f"{folder}/im{number}"] for number in (5, 4, 3, 1, 0)]
    assert answer["probabilities"] == pytest.approx([one["probability"] for one in in_order])
    counted = [one["probability"] for one in in_order if one["input_check"]["grade"] != "unlike"]
    assert answer["counted"] == len(counted) >= 3
    best = max(sum(counted[i : i + 3]) / 3 for i in range(len(counted) - 2))
    assert answer["score"] == pytest.approx(best)
    is_fracture = answer["score"] >= answer["threshold"]
    assert answer["label"] == ("fracture" if is_fracture else "no fracture")
    assert [finding["code"] for finding in answer["findings"]] == ["missing"]
    assert answer["most_suspicious"][0]["file"].startswith(f"{folder}/im")


def test_pictures_are_no_series_and_an_empty_folder_is_said(capsys, tmp_path) -> None:
    if not (settings.models_dir() / "phantom-demo").is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    empty = tmp_path / "empty"
    empty.mkdir()
    for more in ((), ("--series",)):
        status, answers, _ = run(capsys, str(empty), *more)
        assert status == 1 and "expected slices, found none" in answers[0]["error"]
    sample = Path(__file__).resolve().parents[2] / "spinefrac/ui/samples" / "normal-1.png"
    status, answers, _ = run(capsys, str(sample), "--series")
    assert status == 1 and "belong to none" in answers[0]["error"]
