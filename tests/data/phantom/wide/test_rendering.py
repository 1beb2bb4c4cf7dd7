"""Slices of the wide variety: deterministic, labelled alike, and only the fracture differs."""

from dataclasses import asdict

import cv2
import numpy as np
import pytest

from spinefrac.data.phantom import render, write_phantom
from spinefrac.data.phantom.series import Series

WIDE = {"patients": 40, "slices": 3, "seed": 11, "size": 256, "variety": "wide"}


@pytest.fixture(scope="module")
def twins():
    """Slices with and without their fracture, without noise."""
    return [
        [render(p, p % 3, **WIDE, fractured=broken, noise=False) for broken in (True, False)]
        for p in range(14)
    ]


def test_only_the_fracture_differs_between_a_slice_and_its_unbroken_twin(twins):
    for broken, intact in twins:
        inside = broken.mask > 0
        assert inside.sum() >= 5 and not intact.mask.any()
        assert (broken.label, intact.label) == (1, 0)
        assert broken.export == intact.export and broken.spacing_mm == intact.spacing_mm
        change = np.abs(broken.hu - intact.hu)
        assert np.median(change[inside]) > 25
        far = cv2.distanceTransform(1 - broken.mask, cv2.DIST_L2, 3) * broken.spacing_mm > 12
        assert np.mean(change[far] > 15) < 0.002


def test_masks_lie_on_bone(twins):
    dense = [np.mean(np.maximum(b.hu, i.hu)[b.mask > 0] > 70) for b, i in twins]
    assert min(dense) > 0.5 and np.mean(dense) > 0.85


def test_fields_parts_and_pictures_vary(twins):
    slices = [broken for broken, _ in twins]
    spacing = np.array([s.spacing_mm for s in slices]) * 256
    assert spacing.min() < 130 and spacing.max() > 240
    assert {s.region for s in slices} >= {"cervical", "thoracic", "lumbar", "skull"}
    assert len({s.export for s in slices}) > 8


def test_the_same_whoever_renders_it_and_in_whatever_order():
    forward = [render(p, 1, **WIDE) for p in (0, 1)]
    backward = [render(p, 1, **WIDE) for p in (1, 0)][::-1]
    for one, other in zip(forward, backward, strict=True):
        assert np.array_equal(one.hu, other.hu) and np.array_equal(one.grey, other.grey)
        assert np.array_equal(one.mask, other.mask)


def test_it_shares_no_draw_with_the_narrow_variety():
    wide = render(0, 0, **WIDE)
    narrow = render(0, 0, **{**WIDE, "variety": "narrow"})
    assert wide.spacing_mm != narrow.spacing_mm and not np.array_equal(wide.hu, narrow.hu)


def test_labels_are_balanced():
    share = Series(**{**WIDE, "patients": 200, "slices": 12}).labels.mean()
    assert 0.4 < share < 0.52


def test_written_from_one_process_and_from_two(tmp_path):
    small = {**WIDE, "patients": 3, "slices": 3}  # more slices than one worker takes at once
    one = write_phantom(tmp_path / "one", **small, workers=1)
    write_phantom(tmp_path / "two", **small, workers=2)
    names = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.*"))
    assert len(names) > 9 and asdict(one)["variety"] == "wide"
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_patient_keeps_field_window_and_part():
    one, other = (render(4, s, **WIDE) for s in (0, 2))
    assert (one.spacing_mm, one.export, one.region) == (
        other.spacing_mm, other.export, other.region)  # fmt: skip


@pytest.mark.parametrize(
    ("patient", "region", "pixels", "mean", "values"),
    [
        (2, "lumbar", 0, -607.06, (-95.4, 100.7, -1024.0)),
        (7, "thoracic", 25, -489.72, (42.5, -58.0, 78.7)),
        (8, "skull", 20, -581.19, (-95.9, 0.2, 13.2)),
        (10, "atlas", 160, 80.01, (-54.2, 97.3, 71.4)),
    ],
)
def test_slices_that_weights_were_trained_on_stay_as_they_are(
    patient, region, pixels, mean, values
):
    """Where this must change, `GENERATOR_VERSION` rises and the weights are trained anew."""
    image = render(patient, 1, **WIDE, difficulty="hard")
    assert (image.region, int(image.mask.sum())) == (region, pixels)
    assert float(image.hu.mean()) == pytest.approx(mean, abs=0.006)
    assert image.hu[64::64, 100] == pytest.approx(values, abs=0.06)
