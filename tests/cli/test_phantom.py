"""`spinefrac phantom`: slices in either format, and numbers for people and scripts."""

import json

import pytest

from spinefrac import imaging
from spinefrac.cli import main


def generate(out, *options: str) -> int:
    size = ["--patients", "2", "--slices", "2", "--size", "256"]
    return main(["phantom", str(out), *size, *options])


@pytest.mark.parametrize(("format_name", "calibrated"), [("png", False), ("dicom", True)])
def test_formats_and_size(format_name, calibrated, tmp_path):
    options = ("--format", format_name, "--difficulty", "hard", "--variety", "wide")
    assert generate(tmp_path / "out", *options) == 0
    parameters = json.loads((tmp_path / "out/phantom.json").read_text())
    chosen = [parameters[key] for key in ("difficulty", "format", "variety")]
    assert chosen == ["hard", format_name, "wide"]
    for row in parameters["slices_truth"]:
        ct = imaging.read(tmp_path / "out" / row["path"])
        assert ct.pixels.shape == (256, 256) and ct.calibrated == calibrated


def test_json_counts_what_was_written(tmp_path, capsys):
    assert generate(tmp_path / "out", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["patients"], found["slices"]) == (2, 4)
    assert found["fracture"] == len(list((tmp_path / "out/fracture").iterdir()))
    assert found["normal"] == len(list((tmp_path / "out/normal").iterdir()))


def test_the_line_for_people(tmp_path, capsys):
    assert generate(tmp_path / "out") == 0
    assert "out: 4 slices (" in capsys.readouterr().out


def test_lines_on_slices_that_are_at_hand(tmp_path, capsys):
    assert generate(tmp_path / "real", "--format", "dicom") == 0
    real = str(tmp_path / "real" / "normal")
    assert main(["phantom", str(tmp_path / "out"), "--background", real, "--json"]) == 0
    found = json.loads(capsys.readouterr().out.split("\n", 1)[1])
    assert found["slices"] == len(list((tmp_path / "out").glob("[fn]*/*.png"))) > 0


def test_options_of_phantoms_do_not_go_with_real_slices(tmp_path, capsys):
    command = ["phantom", str(tmp_path / "out"), "--background", str(tmp_path)]
    assert main([*command, "--variety", "wide"]) == 2
    assert "--variety" in capsys.readouterr().err
