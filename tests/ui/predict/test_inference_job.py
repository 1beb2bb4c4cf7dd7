"""Predictions of the page are cached, and a session has one job at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from spinefrac.inference.predictor import Predictor
from tests.support.app import click_sample, run_page

pytestmark = pytest.mark.usefixtures("from_checkout")


def test_a_rerun_predicts_nothing_anew(
    demonstration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    predict = Predictor.predict
    monkeypatch.setattr(Predictor, "predict", lambda self, ct: calls.append(1) or predict(self, ct))
    app = click_sample(run_page("predict"), 1)
    assert len(calls) == 1
    app.run()
    assert len(calls) == 1
    click_sample(app, 2)
    assert len(calls) == 2
