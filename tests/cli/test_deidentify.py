"""`spinefrac deidentify`: copies, quarantine, and what is not DICOM, in numbers and as JSON."""

import json

import pydicom
import pytest

from spinefrac.cli import main
from spinefrac.data import phantom


@pytest.fixture
def source(tmp_path):
    phantom.write_phantom(
        tmp_path / "in", patients=2, slices=1, seed=1, format="dicom", size=256, workers=1
    )
    path = sorted((tmp_path / "in").rglob("*.dcm"))[0]
    dataset = pydicom.dcmread(path)
    dataset.BurnedInAnnotation = "YES"
    dataset.save_as(path)
    return tmp_path / "in"


def test_copies_quarantine_and_other_files(source, tmp_path, capsys):
    assert main(["deidentify", str(source), str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["copied"] == 1
    ((quarantined, reason),) = ((e["path"], e["reason"]) for e in found["quarantined"])
    assert (tmp_path / "out/quarantine" / quarantined).is_file()
    assert reason == "BurnedInAnnotation is YES: look at the pixels"
    assert {entry["path"].rpartition(".")[2] for entry in found["left_out"]} == {"json", "png"}


def test_the_numbers_for_people(source, tmp_path, capsys):
    assert main(["deidentify", str(source), str(tmp_path / "out")]) == 0
    assert "1 files copied, 1 to quarantine, " in capsys.readouterr().out


def test_the_same_key_gives_the_same_names(source, tmp_path, capsys):
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    for name in ("a", "b"):
        arguments = ["deidentify", str(source), str(tmp_path / name), "--key", str(key)]
        assert main(arguments) == 0
    one, other = (
        sorted(p.relative_to(tmp_path / name) for p in (tmp_path / name).rglob("*.dcm"))
        for name in ("a", "b")
    )
    assert one == other


def test_a_short_key_is_wrong_usage(source, tmp_path, capsys):
    (tmp_path / "key").write_bytes(b"short")
    arguments = ["deidentify", str(source), str(tmp_path / "out"), "--key", str(tmp_path / "key")]
    assert main(arguments) == 2
    assert "expected 32 bytes or more" in capsys.readouterr().err
