"""`spinefrac predict` on folders, ZIPs and series, as scripts call it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pydicom
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


def test_a_sagittal_slice_is_named(scan, capsys, tmp_path) -> None:
    header = pydicom.dcmread(scan / "im0")
    header.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    header.save_as(tmp_path / "sagittal.dcm")
    _, (answer, axial), _ = run(capsys, str(tmp_path / "sagittal.dcm"), str(scan / "im1"))
    assert answer["plane"] == "sagittal" and "plane" not in axial
    main(["predict", str(tmp_path / "sagittal.dcm")])
    assert "; a sagittal slice, which" in capsys.readouterr().out


def test_one_empty_file_costs_itself_only(scan, capsys, tmp_path) -> None:
    (tmp_path / "slices").mkdir()
    (tmp_path / "slices/a.dcm").write_bytes((scan / "im0").read_bytes())
    (tmp_path / "slices/b.dcm").write_bytes(b"")
    (tmp_path / "slices/@eaDir").mkdir()
    (tmp_path / "slices/@eaDir/a.dcm").write_bytes(b"x")
    status, answers, _ = run(capsys, str(tmp_path / "slices"))
    assert status == 1 and [Path(one["file"]).name for one in answers] == ["a.dcm", "b.dcm"]
    assert "empty file" in answers[1]["error"]
