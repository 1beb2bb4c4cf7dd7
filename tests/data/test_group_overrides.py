"""Corrected groups hold for a folder from then on, and a wrong table changes nothing."""

import csv
import io
from pathlib import Path

import cv2
import numpy as np
import pytest

from spinefrac.data import group_overrides
from spinefrac.data.scan import scan
from spinefrac.errors import DatasetError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))


@pytest.fixture
def folder(tmp_path) -> Path:
    """Six slices whose names say nothing of their patients."""
    generator = np.random.default_rng(0)
    for label in ("fracture", "normal"):
        for name in ("one", "two", "three"):
            file = tmp_path / "set" / label / f"{name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), generator.integers(0, 255, (64, 64), dtype=np.uint8))
    return tmp_path / "set"


def corrected(folder: Path, patients: dict[str, str]) -> bytes:
    rows = list(csv.DictReader(io.StringIO(group_overrides.groups_to_csv(scan(folder)).decode())))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ("path", "label", "patient"))
    writer.writeheader()
    writer.writerows({**r, "patient": patients.get(r["path"], r["patient"])} for r in rows)
    return text.getvalue().encode()


def test_a_corrected_table_sets_the_groups_until_it_is_forgotten(folder):
    before = scan(folder)
    assert len(set(before.groups)) == 6
    table = corrected(folder, {"fracture/one.png": "A", "normal/one.png": "A"})
    files = sorted(path.name for path in folder.rglob("*"))
    assert group_overrides.save_overrides(folder, table) == 6
    after = scan(folder)
    assert len(set(after.groups)) == 5
    assert after.groups[0] == "A" and after.group_rule == "by the corrected table of this folder"
    assert after.fingerprint != before.fingerprint
    assert sorted(path.name for path in folder.rglob("*")) == files, "the folder is not written to"
    group_overrides.delete_overrides(folder)
    assert scan(folder) == before


def test_a_table_of_another_system_names_the_same_slices(folder):
    (folder / "fracture/one.png").rename(folder / "fracture/Mu\u0308ller.png")
    table = "path,patient\nfracture\\M\u00fcller.png,A\nnormal/one.png,A\n".encode()
    assert group_overrides.save_overrides(folder, table) == 2
    found = {item.path: item.group for item in scan(folder).items}
    assert found["fracture/Mu\u0308ller.png"] == found["normal/one.png"] == "A"


def test_slices_that_the_table_does_not_name_keep_their_group(folder):
    group_overrides.save_overrides(
        folder, b"path,patient\nfracture/one.png,A\nfracture/two.png,A\n"
    )
    found = scan(folder)
    assert len(set(found.groups)) == 5
    assert "; 4 of 6 slices have no row there and form groups of their own" in found.group_rule


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"path,patient\nelsewhere/one.png,A\n", "is no slice of this folder"),
        (b"path,patient\nfracture/one.png,\n", "has no patient"),
        (b"path,patient\nfracture/one.png,A\nfracture/one.png,B\n", "two patients"),
        (b"path,label,patient\nfracture/one.png,normal,A\n", "sets groups only"),
        (b"path,patient\n", "names no slice"),
        (b"file,patient\nfracture/one.png,A\n", "lacks the column path"),
        (b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_a_wrong_table_says_why_and_changes_nothing(folder, table, message):
    before = scan(folder)
    with pytest.raises(DatasetError, match=message):
        group_overrides.save_overrides(folder, table)
    assert scan(folder) == before
    assert not list((folder.parent / "home/runs/groups").glob("*"))
