"""The generator of other origin: what it draws, and that the package does not know of it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.support.second_generator import draw_slice, write_folder

PACKAGE = Path(__file__).resolve().parents[1] / "spinefrac"


def test_nothing_in_the_package_can_train_on_it():
    sources = {path: path.read_text("utf-8") for path in PACKAGE.rglob("*.py")}
    assert sources
    named = (
        "second_generator",
        "from tests",
        "import tests",
        "from benchmarks",
        "import benchmarks",
    )
    assert not [path for path, text in sources.items() if any(word in text for word in named)]


@pytest.mark.parametrize("difficulty", ["standard", "hard"])
def test_only_the_fracture_differs_between_a_slice_and_its_unbroken_twin(difficulty):
    seen = 0
    for patient in range(6):
        where = {"seed": 1, "difficulty": difficulty, "slices": 6}
        broken = draw_slice(patient, 3, **where, fractured=True)
        intact = draw_slice(patient, 3, **where, fractured=False)
        assert not intact.mask.any() and intact.label == 0
        if not broken.label:  # the crack lies above or below
            assert np.array_equal(broken.grey, intact.grey)
            continue
        seen += 1
        change = np.abs(broken.grey.astype(float) - intact.grey)
        assert change[broken.mask > 0].mean() > 4 + 20 * change[broken.mask == 0].mean()
    assert seen >= 3


def test_a_folder_as_a_phantom_has_it(tmp_path):
    drawn = write_folder(tmp_path, patients=4, slices=3, seed=2, difficulty="standard")
    labels = [one.label for one in drawn]
    assert len(list((tmp_path / "fracture").iterdir())) == sum(labels) > 0
    assert len(list((tmp_path / "normal").iterdir())) == 12 - sum(labels) > 0
    for path in (tmp_path / "masks").iterdir():
        assert (tmp_path / "fracture" / path.name).is_file()
        assert set(np.unique(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))) == {0, 255}
    again = draw_slice(1, 2, seed=2, difficulty="standard", slices=3)
    assert np.array_equal(again.grey, drawn[5].grey)
