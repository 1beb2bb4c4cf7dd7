"""Import of exports of COCO: several files, images found by name, and refusals."""

import json
from pathlib import Path

import pytest

from spinefrac.data.boxes import read_boxes
from spinefrac.data.importers import import_dataset
from spinefrac.data.scan import scan
from spinefrac.errors import DatasetError
from tests.data.importers.test_yolo import draw


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))


def content(**changes):
    """Two images of 100 × 80 pixels; the first has a fracture and a box of a vertebra."""
    return {
        "info": {"year": 2026},
        "images": [
            {"id": 1, "file_name": "P1_1.png", "width": 100, "height": 80},
            {"id": 2, "file_name": "P2_1.png", "width": 100, "height": 80},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 4, "bbox": [10, 20.5, 30, 15], "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 5, "bbox": [0, 0, 90, 70]},
        ],
        "categories": [{"id": 4, "name": "fracture"}, {"id": 5, "name": "vertebra"}],
    } | changes


@pytest.fixture(params=["annotations/instances_train.json", "train/_annotations.coco.json"])
def export(tmp_path, request) -> Path:
    root = tmp_path / "export"
    for seed, name in enumerate(("P1_1", "P2_1")):
        draw(root / "train" / f"{name}.png", seed)
    table = root / request.param
    table.parent.mkdir(exist_ok=True)
    table.write_text(json.dumps(content()))
    (root / "other.json").write_text("[1, 2]")
    return root


def change(export: Path, **changes) -> None:
    (table,) = (path for path in export.rglob("*.json") if path.name != "other.json")
    table.write_text(json.dumps(content(**changes)))


def test_labels_and_boxes_arrive(export, tmp_path) -> None:
    result = import_dataset("coco", export, tmp_path / "out")
    assert (result.fracture, result.normal, result.boxes) == (1, 1, 1)
    assert read_boxes(tmp_path / "out") == {"slices/train/P1_1.png": ((10, 20.5, 30, 15),)}
    assert scan(tmp_path / "out").labels.sum() == 1
    assert any("vertebra (1)" in note for note in result.notes)


def test_of_two_images_of_one_name_the_split_decides(tmp_path) -> None:
    root = tmp_path / "export"
    for seed, split in enumerate(("train2017", "val2017")):
        draw(root / "images" / split / "P1_1.png", seed)
        (root / "annotations").mkdir(exist_ok=True)
        kept = {"images": content()["images"][:1]}
        if split == "val2017":
            kept["annotations"] = []
        (root / f"annotations/instances_{split}.json").write_text(json.dumps(content(**kept)))
    result = import_dataset("coco", root, tmp_path / "out")
    assert (result.fracture, result.normal) == (1, 1)
    assert list(read_boxes(tmp_path / "out")) == ["slices/images/train2017/P1_1.png"]


def test_annotations_of_another_size_and_missing_images_are_left_out(export, tmp_path) -> None:
    images = [*content()["images"], {"id": 3, "file_name": "../secret.png"}]
    change(export, images=images)
    result = import_dataset("coco", export, tmp_path / "one")
    assert result.left_out == {"that the annotations name and the folder lacks": 1}
    draw(export / "train" / "P1_1.png", 9, (40, 50))
    with pytest.raises(DatasetError, match=r"50×40 pixels, but its annotations are for 100×80"):
        change(export, images=images[:1])
        import_dataset("coco", export, tmp_path / "two")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"categories": [{"id": 4, "name": "cat"}, {"id": 5, "name": "dog"}]}, "'cat', 'dog'"),
        ({"annotations": [{"image_id": 9, "category_id": 4, "bbox": [1, 1, 2, 2]}]}, "its image"),
        ({"annotations": [{"image_id": 1, "category_id": 9, "bbox": [1, 1, 2, 2]}]}, "category"),
        ({"annotations": [{"image_id": 1, "category_id": 4, "bbox": [1, 1, 0, 2]}]}, "of a box"),
        ({"annotations": [{"image_id": 1, "category_id": 4, "bbox": [1, 1]}]}, "not what COCO"),
        ({"images": "none"}, "not what COCO"),
    ],
)
def test_what_does_not_fit_is_refused(export, tmp_path, changes, said: str) -> None:
    change(export, **changes)
    with pytest.raises(DatasetError, match=said):
        import_dataset("coco", export, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_annotations_is_refused(tmp_path) -> None:
    draw(tmp_path / "export" / "a.png", 0)
    with pytest.raises(DatasetError, match="images, annotations, categories"):
        import_dataset("coco", tmp_path / "export", tmp_path / "out")
