"""A preview of a folder: counts, columns and example slices without reading every file."""

from pathlib import Path

import pytest

from spinefrac.data import preview
from spinefrac.data.folder_layouts import list_labelled_files
from spinefrac.errors import DatasetError


def test_contents_of_a_folder(pictures, tmp_path):
    (pictures / "fracture/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    found = preview.preview_folder(pictures)
    assert found.class_counts == (7, 8)  # the broken file is one at first sight
    assert found.image_count == 15
    assert [example.label for example in found.examples] == [1] * 5 + [0] * 5
    assert all(max(example.image.shape) == preview.EXAMPLE_SIDE for example in found.examples)
    assert len({example.path for example in found.examples}) == 10


def test_few_files_are_each_shown_once(pictures):
    for path in sorted(pictures.glob("*/*.png"))[2:-1]:
        path.unlink()
    found = preview.preview_folder(pictures)
    assert [example.label for example in found.examples] == [1, 1, 0]


def test_columns_that_can_group(pictures):
    rows = [
        f"{path.relative_to(pictures)},{path.parent.name},{n % 3},x"
        for n, path in enumerate(sorted(pictures.glob("*/*.png")))
    ]
    (pictures / "labels.csv").write_text("\n".join(["path,label,patient,site", *rows]))
    assert preview.preview_folder(pictures).columns == ("patient", "site")


def test_a_class_folder_that_became_a_link_is_not_followed(pictures, tmp_path):
    """The folder may be swapped between the listing and the reading."""
    listing = list_labelled_files(pictures)
    (pictures / "fracture").rename(tmp_path / "elsewhere")
    (pictures / "fracture").symlink_to(tmp_path / "elsewhere")
    assert {example.label for example in preview.preview_folder(listing).examples} == {0}


@pytest.mark.parametrize("missing", ["fracture", "normal"])
def test_one_class_is_refused(pictures, missing):
    for path in (pictures / missing).iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match="Expected two classes"):
        preview.preview_folder(pictures)


@pytest.fixture
def pictures(tmp_path) -> Path:
    """Seven pictures of each class."""
    import cv2
    import numpy as np

    for label in ("fracture", "normal"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(7):
            picture = np.full((40, 60), 30 * number + 10, np.uint8)
            cv2.imwrite(str(tmp_path / "set" / label / f"P{number}_1.png"), picture)
    return tmp_path / "set"
