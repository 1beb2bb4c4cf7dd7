"""Import of exports of YOLO: labels, boxes in pixels, and refusals that say the line."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from spinefrac.data.boxes import read_boxes
from spinefrac.data.importers import import_dataset
from spinefrac.data.importers.plan import ImportSelection
from spinefrac.data.scan import scan
from spinefrac.errors import DatasetError

NAMES = "names: [C1, C5 fracture, vertebra]\n"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))


def draw(path: Path, seed: int, shape=(80, 100)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8))


@pytest.fixture(params=["images/train", "train/images"])
def export(tmp_path, request) -> Path:
    """Four slices: a box, a polygon, a box of another class, and no file of labels."""
    root = tmp_path / "export"
    lines = {
        "P1_1": "1 0.5 0.5 0.2 0.25\n",
        "P1_2": "1 0.1 0.2 0.3 0.2 0.3 0.6\n\n",
        "P2_1": "2 0.5 0.5 1.0 1.0\n",
    }
    for seed, name in enumerate(("P1_1", "P1_2", "P2_1", "P2_2")):
        draw(root / request.param / f"{name}.png", seed)
        if name in lines:
            table = root / request.param.replace("images", "labels") / f"{name}.txt"
            table.parent.mkdir(parents=True, exist_ok=True)
            table.write_text(lines[name])
    (root / "data.yaml").write_text(f"train: ../train\nnc: 3\n{NAMES}")
    return root


def test_labels_and_boxes_arrive(export, tmp_path) -> None:
    result = import_dataset("yolo", export, tmp_path / "out")
    assert (result.fracture, result.normal, result.groups, result.boxes) == (2, 2, 0, 2)
    assert any("C5 fracture" in note for note in result.notes)
    assert any("vertebra (1)" in note for note in result.notes)
    assert any(note.startswith("2 slices without a box") for note in result.notes)
    boxes = {Path(path).stem: found for path, found in read_boxes(tmp_path / "out").items()}
    assert np.allclose(boxes["P1_1"], [(40, 30, 20, 20)])
    assert np.allclose(boxes["P1_2"], [(10, 16, 20, 32)])
    dataset = scan(tmp_path / "out")
    assert set(read_boxes(tmp_path / "out")) <= set(dataset.paths)
    assert len(set(dataset.groups.tolist())) == 2, "the patients are in the names"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1 40 30 20 20", "pixels have to be divided"),
        ("7 0.5 0.5 0.2 0.2", "the number of a class"),
        ("1 0.5 0.5 0.2 0.2 0.9", "predictions with a confidence"),
        ("fracture 0.5 0.5 0.2 0.2", "expected numbers"),
        ("1 0.5 nan 0.2 0.2", "shares of the image"),
    ],
)
def test_a_line_that_is_no_box_is_named(export, tmp_path, line: str, said: str) -> None:
    table = next(export.rglob("P1_1.txt"))
    table.write_text(f"1 0.5 0.5 0.2 0.25\n{line}\n")
    with pytest.raises(DatasetError, match=said) as error:
        import_dataset("yolo", export, tmp_path / "out")
    assert "P1_1.txt line 2" in str(error.value) and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("names: [cat, dog]", "'cat', 'dog'"),
        ("names: ['0', '1']", "means a fracture"),
        ("names: {0: healed fracture}", "means a fracture"),
        ("names: 3", "a list of class names"),
        ("nc: 2", "found none"),
        ("names: [a\n", "no YAML"),
        ("[" * 5000, "no YAML"),
        (None, "classes.txt"),
    ],
)
def test_names_that_say_no_fracture_are_refused(export, tmp_path, content, said: str) -> None:
    (export / "data.yaml").unlink()
    if content is not None:
        (export / "data.yaml").write_text(content)
    with pytest.raises(DatasetError, match=said):
        import_dataset("yolo", export, tmp_path / "out")


def test_no_labels_at_all_and_a_choice_of_patients_are_refused(export, tmp_path) -> None:
    with pytest.raises(DatasetError, match="do not name patients"):
        import_dataset("yolo", export, tmp_path / "out", selection=ImportSelection(studies=2))
    for table in export.rglob("P*.txt"):
        table.unlink()
    with pytest.raises(DatasetError, match="labels beside images"):
        import_dataset("yolo", export, tmp_path / "out")
