"""Rendered slices: only the fracture differs, at every size and difficulty."""

import cv2
import numpy as np
import pytest

from spinefrac.data.phantom import render
from spinefrac.imaging import apply_window
from spinefrac.records import BONE_WINDOW

DIFFICULTIES = ("easy", "standard", "hard")


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
@pytest.mark.parametrize("size", [256, 512])
def test_only_the_fracture_differs_between_a_slice_and_its_unbroken_twin(difficulty, size):
    whole = {"patients": 20, "slices": 12, "seed": 3, "difficulty": difficulty, "size": size}
    for patient in range(0, 20, 5):
        place = (patient, patient % 12)
        broken = render(*place, **whole, fractured=True, noise=False)
        intact = render(*place, **whole, fractured=False, noise=False)
        inside = broken.mask.astype(bool)
        assert inside.any() and not intact.mask.any()
        assert (broken.label, intact.label) == (1, 0)
        change = np.abs(broken.hu - intact.hu)
        assert np.median(change[inside]) > 60
        # Shifted fragments change their surroundings too; what is 40 mm away stays as it is
        # but for the beam hardening, which looks at all bone.
        away = cv2.distanceTransform(1 - broken.mask, cv2.DIST_L2, 5) * broken.spacing_mm > 40
        assert change[away].max() < 5


def test_bone_is_bone_and_air_is_air():
    image = render(0, 0, patients=2, slices=2, seed=1, noise=False)
    assert image.hu.dtype == np.float32 and image.hu.shape == (512, 512)
    assert image.hu.min() < -900 and 700 < np.percentile(image.hu, 99.9) < 2500
    assert 140 / 512 < image.spacing_mm < 225 / 512


def test_both_sizes_show_the_same_anatomy():
    where = {"patients": 3, "slices": 2, "seed": 9, "noise": False, "fractured": True}
    large, small = render(1, 0, **where, size=512), render(1, 0, **where, size=256)
    assert small.spacing_mm == pytest.approx(2 * large.spacing_mm)
    halved = cv2.resize(large.hu, (256, 256), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(halved.ravel(), small.hu.ravel())[0, 1] > 0.98


def test_what_holds_over_a_patients_slices():
    one, other = (render(3, s, patients=5, slices=6, seed=2) for s in (0, 5))
    assert (one.spacing_mm, one.region) == (other.spacing_mm, other.region)


def test_another_seed_gives_other_pictures():
    one, other = (render(0, 0, patients=2, slices=2, seed=s, size=256).hu for s in (1, 2))
    assert not np.array_equal(one, other)


#: Of slices of 256 pixels, 12 patients of 3 slices, seed 7: difficulty, patient, slice, label,
#: pixels of the mask, mean, and HU of three pixels. The noise is in them, so that any other draw
#: changes them all.
AS_EVER = [
    ("easy", 7, 1, 0, 0, -196.85, (54.0, 78.3, 50.9)),
    ("easy", 11, 2, 1, 253, -556.75, (39.5, 60.6, -47.7)),
    ("standard", 3, 0, 0, 0, -616.16, (-83.4, 287.2, 14.7)),
    ("standard", 11, 2, 1, 204, -556.28, (25.4, 70.5, -32.5)),
    ("hard", 0, 0, 0, 0, -251.60, (-90.9, 639.4, -117.7)),
    ("hard", 11, 2, 1, 99, -554.94, (-6.2, 90.5, -4.6)),
]


@pytest.mark.parametrize("row", AS_EVER, ids=lambda row: f"{row[0]}-{row[1]}")
def test_slices_that_figures_are_measured_on_stay_as_they_are(row):
    difficulty, patient, index, label, pixels, mean, values = row
    image = render(
        patient, index, patients=12, slices=3, seed=7, size=256, difficulty=difficulty
    )  # fmt: skip
    assert (image.label, int(image.mask.sum())) == (label, pixels)
    assert float(image.hu.mean()) == pytest.approx(mean, abs=0.006)
    assert image.hu[64::64, 100] == pytest.approx(values, abs=0.06)
    assert np.array_equal(image.grey, apply_window(image.hu, *BONE_WINDOW))
