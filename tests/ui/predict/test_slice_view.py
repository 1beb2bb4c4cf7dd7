"""One slice with its prediction, on the page."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.support.app import click_sample, html, run_page

pytestmark = pytest.mark.usefixtures("from_checkout")


def test_a_sample_is_predicted_with_its_uncertainty(demonstration: Path) -> None:
    shown = html(click_sample(run_page("predict")))
    for part in (
        "Probability of fracture",
        "threshold",
        "Sensitivity",
        "Specificity",
        "slices from",
    ):
        assert part in shown
    assert "Label of this synthetic slice: <strong>fracture</strong>" in shown


def test_an_out_of_distribution_prediction_is_crossed_out_until_asked_for(
    demonstration: Path,
) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (200, 260, 3)).astype(np.uint8)
    app = run_page("predict")
    app.file_uploader[0].upload("holiday.png", cv2.imencode(".png", colours)[1].tobytes(), "").run()
    assert not app.exception and not app.error
    assert "Crossed out" in html(app) and "Needs review" not in html(app)
    assert "less typical than all of the training slices" in html(app)
    app.button(key="show-prediction").click().run()
    assert "Crossed out" not in html(app)
    assert "do not rely on this prediction" in html(app)
