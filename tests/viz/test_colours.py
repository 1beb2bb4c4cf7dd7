"""Colours that stand out on light and on dark, and text that can be read."""

from __future__ import annotations

import numpy as np
import pytest

from spinefrac.viz import colours

BACKGROUNDS = ("#eef1f4", "#f8fafb", "#14181c", "#1a2026")


def contrast(first: str, second: str) -> float:
    """The contrast of WCAG 2, from 1 to 21."""
    bright, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("colour", [*colours.MODEL_COLOURS, colours.REFERENCE_COLOUR])
def test_colours_stand_out_from_both_themes(colour: str) -> None:
    """A contrast of 3 is what WCAG 2 asks of graphics."""
    for background in BACKGROUNDS:
        assert contrast(colour, background) >= 3


def test_the_contrast_of_black_on_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("background", ["background", "warning-background"])
@pytest.mark.parametrize("text", ["text", "text-muted"])
def test_text_of_a_report_can_be_read(text: str, background: str) -> None:
    """WCAG 2 asks for a contrast of 4.5 of text."""
    assert contrast(colours.REPORT_COLOURS[text], colours.REPORT_COLOURS[background]) >= 4.5
