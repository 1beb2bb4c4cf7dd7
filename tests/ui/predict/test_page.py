"""Upload & Predict as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.app import html, run_page

pytestmark = pytest.mark.usefixtures("from_checkout")


def test_before_a_choice_the_samples_and_the_performance_are_shown(demonstration: Path) -> None:
    app = run_page("predict")
    assert [button.key for button in app.button if button.key] == [f"sample-{n}" for n in range(6)]
    shown = html(app)
    assert "Performance at the threshold" in shown and "About phantom-demo" in shown
    assert "Probability of fracture" not in shown
