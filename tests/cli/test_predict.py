"""`spinefrac predict` on folders, ZIPs and series, as scripts call it."""

from __future__ import annotations

import json
import zipfile

import pytest

from spinefrac.cli import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict], str]:
    status = main(["predict", *arguments, "--json"])
    told = capsys.readouterr()
    return status, json.loads(told.out), told.err


def test_a_folder_is_answered_slice_by_slice_in_the_order_of_the_body(scan, capsys) -> None:
    status, answers, told = run(capsys, str(scan))
    assert status == 1  # because of the text
    files = [answer["file"] for answer in answers if "error" not in answer]
    assert files == [f"{scan}/im{number}" for number in (5, 4, 3, 2, 1, 0)]
    for answer in answers[:6]:
        assert {"model", "probability", "label", "threshold", "input_check"} <= set(answer)
    (refused,) = (answer for answer in answers if "error" in answer)
    assert refused["file"] == f"{scan}/notes.txt"
    assert "notes.txt" in told


def test_a_zip_gives_the_answers_of_its_folder(scan, capsys, tmp_path) -> None:
    packed = tmp_path / "study.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in scan.glob("im*"):
            archive.write(path, f"deep/{path.name}")
    status, answers, _ = run(capsys, str(packed))
    assert status == 0
    assert answers[0]["file"] == f"{packed}/deep/im5"
    _, plain, _ = run(capsys, str(scan / "im5"))
    assert answers[0]["probability"] == pytest.approx(plain[0]["probability"], abs=1e-9)
