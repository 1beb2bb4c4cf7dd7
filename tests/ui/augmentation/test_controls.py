"""Values of the sliders, in the units that people read."""

from __future__ import annotations

import pytest

from spinefrac.training.augmentation.config import AugmentationConfig
from spinefrac.ui.augmentation import controls


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("rotation", 15.0, "+15°"),
        ("rotation", -7.5, "−7.5°"),
        ("zoom", -0.1, "−10\u202f%"),
        ("noise", 0.02, "2\u202f%"),
        ("shift", 0.0, "0\u202f%"),
        ("flip", 1.0, "mirrored"),
        ("flip", 0.0, "unchanged"),
    ],
)
def test_an_amount_has_its_sign_and_unit(name: str, value: float, text: str) -> None:
    assert controls.format_amount(name, value) == text


def test_a_slider_is_longer_for_a_preset_that_needs_it() -> None:
    usual = controls._get_slider_limits("rotation", AugmentationConfig(rotation=15))
    wide = controls._get_slider_limits("rotation", AugmentationConfig(rotation=120))
    assert usual == (-90.0, 90.0) and wide == (-180.0, 180.0)


def test_every_transform_has_a_description() -> None:
    names = (*controls.GEOMETRIC_TRANSFORMS, *controls.INTENSITY_TRANSFORMS)
    assert set(names) == set(controls.TRANSFORM_HELP)
