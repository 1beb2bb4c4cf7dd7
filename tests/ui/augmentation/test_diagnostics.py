"""The effects of an augmentation as text and HTML."""

from __future__ import annotations

import math

from spinefrac.training.augmentation.diagnostics import ShareSummary, TransformEffect
from spinefrac.ui.augmentation import diagnostics

SHARE = ShareSummary(0.5, 0.25, 0.75)


def effect(name: str, value: float) -> TransformEffect:
    return TransformEffect(name, value, SHARE, SHARE, SHARE, ShareSummary(0.0, 0.0, 0.0))


def test_a_share_has_its_minimum_and_maximum() -> None:
    assert "50\u202f%" in diagnostics._render_share(SHARE)
    assert "(25 to 75)" in diagnostics._render_share(SHARE)
    undefined = ShareSummary(math.nan, math.nan, math.nan)
    assert diagnostics._render_share(undefined).strip() == "not defined"


def test_an_effect_is_named_by_its_transform_and_amount() -> None:
    assert diagnostics._describe_effect(effect("rotation", 15.0)) == "Rotation +15°"
    assert diagnostics._describe_effect(effect("together", math.nan)) == "All transforms together"


def test_an_effect_with_a_warning_is_marked() -> None:
    harmful = effect("shift", 0.3)
    assert harmful.warnings
    assert "sf-warning-text" in diagnostics._build_effect_row(harmful)[0]
