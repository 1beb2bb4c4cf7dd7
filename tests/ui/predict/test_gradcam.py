"""Grad-CAM is offered where a network has no heat map, and not computed before it is asked for."""

from __future__ import annotations

from pathlib import Path

from tests.support.app import html, run_prediction_parts

PARTS = """
from spinefrac.ui.predict import gradcam
gradcam.offer_gradcam(model, ct, {prediction})
"""


def test_a_prediction_without_a_heat_map_is_offered_one(own_home: Path) -> None:
    app = run_prediction_parts(PARTS.format(prediction="replace(prediction, heatmap=None)"))
    assert "Grad-CAM can be computed" in html(app)
    assert [button.key for button in app.button] == ["gradcam-compute"]


def test_a_prediction_with_a_heat_map_is_offered_none(own_home: Path) -> None:
    app = run_prediction_parts(PARTS.format(prediction="prediction"))
    assert not app.button and not html(app)
