"""Predictions of the page are computed once: for everybody of a sample, else for a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from spinefrac.inference.predictor import Predictor
from spinefrac.ui.common.samples import SAMPLES_DIR
from spinefrac.ui.predict import inference_job, viewer
from spinefrac.viz import viewer_payload
from tests.support.app import click_sample, run_page

pytestmark = pytest.mark.usefixtures("from_checkout")


@pytest.fixture
def calls(demonstration: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was computed since no sample was known."""
    inference_job._predict_sample.clear()
    viewer._samples.clear()
    found: list[str] = []
    for owner, name in ((Predictor, "predict"), (viewer_payload, "encode_payload")):
        function = getattr(owner, name)
        monkeypatch.setattr(
            owner, name, lambda *args, f=function, n=name: found.append(n) or f(*args)
        )
    return found


def test_a_sample_is_predicted_and_encoded_once_for_all_sessions(calls: list[str]) -> None:
    app = click_sample(run_page("predict"), 1)
    assert calls == ["predict", "encode_payload"]
    app.run()
    click_sample(run_page("predict"), 1)
    assert calls == ["predict", "encode_payload"]
    click_sample(app, 2)
    assert calls == ["predict", "encode_payload"] * 2


def test_an_upload_is_predicted_once_for_each_session_and_kept_for_no_other(
    calls: list[str],
) -> None:
    content = (SAMPLES_DIR / "fracture-1.dcm").read_bytes()
    for number in (1, 2):
        app = run_page("predict")
        app.file_uploader[0].upload("fracture-1.dcm", content, "").run()
        assert not app.exception and not app.error
        app.run()
        assert calls == ["predict", "encode_payload"] * number
    assert not viewer._samples
