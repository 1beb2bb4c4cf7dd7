"""A clean folder is ok; every leak and shortcut that is planted is found and named."""

import json
import random
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from spinefrac.audit import Audit, audit_folder
from spinefrac.data import phantom
from tests.support.listings import count_listings


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    """A small phantom: 24 patients of 6 slices, 256 pixels."""
    folder = tmp_path_factory.mktemp("clean") / "phantom"
    phantom.write_phantom(folder, patients=24, slices=6, seed=3, difficulty="standard", size=256)
    shutil.rmtree(folder / "masks")
    (folder / "phantom.json").unlink()
    return folder


@pytest.fixture
def copy(clean, tmp_path) -> Path:
    shutil.copytree(clean, tmp_path / "copy")
    return tmp_path / "copy"


def rewrite(files, change) -> None:
    for file in files:
        cv2.imwrite(str(file), change(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)))


def codes(result: Audit) -> dict[str, str]:
    return {finding.code: finding.severity for finding in result.findings}


def test_a_clean_phantom_is_ok(clean):
    result = audit_folder(clean)
    assert result.verdict == "ok", codes(result)
    assert (result.images, result.groups) == (144, 24)
    assert abs(result.shuffled_label_auc - 0.5) < 0.1
    assert result.grouped_baseline.auc < 0.75
    assert result.privacy["text-like marks in a corner"] == 0
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert Audit.from_dict(plain) == result
    wanted = "images unreadable classes groups group_rule exact_duplicates near_duplicates"
    wanted += " augmented_copies crossing_splits naive_baseline grouped_baseline leak_gap"
    wanted += " shuffled_label_auc verdict findings"
    assert set(wanted.split()) <= plain.keys()


def test_fractures_stored_as_jpeg(copy):
    for file in (copy / "fracture").iterdir():
        cv2.imwrite(str(file.with_suffix(".jpg")), cv2.imread(str(file), cv2.IMREAD_GRAYSCALE))
        file.unlink()
    result = audit_folder(copy)
    assert result.verdict == "unusable"
    assert any("format jpeg" in finding.message for finding in result.findings)


def marked(picture):
    picture[4:16, -16:-4] = 255
    return picture


def test_a_marker_in_a_corner(copy):
    rewrite((copy / "fracture").iterdir(), marked)
    result = audit_folder(copy)
    assert result.verdict == "unusable"
    assert any("top right corner" in finding.message for finding in result.findings)


def test_one_class_brighter(copy):
    rewrite((copy / "normal").iterdir(), lambda p: cv2.convertScaleAbs(p, alpha=1.0, beta=25))
    result = audit_folder(copy)
    assert result.verdict == "unusable"
    assert any("brightness" in finding.message for finding in result.findings)


def test_classes_from_their_own_patients(copy):
    patients = sorted({file.name[:4] for file in copy.rglob("*.png")})
    fractured = {file.name[:4] for file in (copy / "fracture").iterdir()}
    assert fractured < set(patients)
    for file in (copy / "normal").iterdir():
        if file.name[:4] in fractured:
            file.unlink()
    result = audit_folder(copy)
    assert result.verdict == "unusable"
    assert codes(result)["classes_from_own_groups"] == "unusable"
    assert result.groups_with_both == 0


def test_patients_and_copies_on_both_sides(copy):
    for split in ("train", "test"):
        for label in ("fracture", "normal"):
            (copy / split / label).mkdir(parents=True)
    for number, file in enumerate(sorted(copy.glob("*/*.png"))):
        split = "test" if number % 4 == 0 else "train"
        file.rename(copy / split / file.parent.name / file.name)
    for label in ("fracture", "normal"):
        (copy / label).rmdir()
    twin = next((copy / "train/normal").iterdir())
    shutil.copy(twin, copy / "train/fracture" / twin.name)
    result = audit_folder(copy)
    assert codes(result)["crossing_splits"] == "caution"
    assert codes(result)["contradicting_duplicates"] == "caution"
    assert result.crossing_splits > 5 and result.exact_duplicates == 1
    assert result.counts["split"].keys() == {"train", "test"}


def test_an_unchanged_folder_is_answered_from_what_is_kept(copy, monkeypatch):
    first = audit_folder(copy)
    monkeypatch.setattr("spinefrac.audit.run.examine", lambda *a, **k: pytest.fail("looked again"))
    assert audit_folder(copy) == first
    monkeypatch.undo()


def test_an_audit_lists_the_folder_once(copy):
    with count_listings(copy / "fracture") as listed:
        audit_folder(copy)
    assert len(listed) == 1


def test_a_changed_folder_is_looked_at_again(copy):
    before = audit_folder(copy)
    next((copy / "normal").iterdir()).unlink()
    assert audit_folder(copy).images == before.images - 1


def test_text_burned_into_a_corner_is_counted_and_not_printed(copy):
    def annotated(picture):
        return cv2.putText(picture, "DOE JOHN", (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255, 1)

    rewrite(list((copy / "normal").iterdir())[:9], annotated)
    result = audit_folder(copy)
    assert result.privacy["text-like marks in a corner"] == 9
    assert "DOE" not in json.dumps(result.to_dict())


# --- real data -----------------------------------------------------------------------------


def test_two_series_of_a_public_set_are_unusable(shared_data):
    result = audit_folder(shared_data / "kaggle-csfdv1/originals")
    assert result.verdict == "unusable"
    assert codes(result)["leak_gap"] == "unusable"
    assert result.naive_baseline.auc > 0.98 and result.grouped_baseline.auc < 0.7
    assert result.leak_gap > 0.25


def slice_of(name: str) -> tuple[str, int]:
    series, number = re.match(r"(\w+) \((\d+)\)", Path(name).name).groups()
    return series, int(number)


def test_augmented_copies_are_bound_by_name(shared_data):
    result = audit_folder(shared_data / "kaggle-csfdv1/with-augmented-copies")
    assert result.augmented_copies == 96


def test_augmented_copies_are_bound_by_picture(shared_data, tmp_path):
    from spinefrac.audit.features import DatasetFeatures
    from spinefrac.data.scan import examine

    generator = random.Random(1)
    name_of = {}
    for file in sorted((shared_data / "kaggle-csfdv1/with-augmented-copies").rglob("*.png")):
        new = tmp_path / "set" / file.parent.name / f"{generator.getrandbits(64):016x}.png"
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, new)
        name_of[f"{file.parent.name}/{new.name}"] = file.name
    examined = examine(tmp_path / "set")
    names = [name_of[path] for path in examined.dataset.paths]
    sets = DatasetFeatures(examined).copy_sets
    first = {slice_of(n): sets[row] for row, n in enumerate(names) if "-" not in n}
    copies = [row for row, n in enumerate(names) if "-" in n]
    bound = np.mean([sets[row] == first[slice_of(names[row])] for row in copies])
    assert bound >= 0.95
    for a, b in examined.duplicates.near:
        (series_a, at_a), (series_b, at_b) = slice_of(names[a]), slice_of(names[b])
        assert series_a == series_b and abs(at_a - at_b) <= 8
