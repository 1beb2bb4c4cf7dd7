"""The card on the reliability of a prediction."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from spinefrac.inference.uncertainty import uncertainty_profile
from spinefrac.store import repository
from spinefrac.ui.predict import uncertainty
from tests.support.app import html, run_prediction_parts
from tests.support.separable import save_separable_model

PARTS = """
from spinefrac.ui.predict import uncertainty
uncertainty.precompute(model)
uncertainty.show_uncertainty(model, prediction)
"""


def run() -> AppTest:
    return run_prediction_parts(PARTS)


def test_the_card_has_predictive_values_disagreement_and_band(own_home: Path) -> None:
    shown = html(run())
    for text in ("Reliability of this prediction", "PPV", "NPV", "patients", "networks"):
        assert text in shown
    band = uncertainty_profile(repository.load("phantom-demo")).abstention_band
    assert ("sf-abstention-band" in shown) == (band is not None)
    assert ("No abstention band." in shown) == (band is None)


def test_a_lower_prevalence_changes_the_predictive_value(own_home: Path) -> None:
    app = run()
    (field,) = (entry for entry in app.number_input if entry.label.startswith("Prevalence"))
    before = html(app)
    after = html(field.set_value(1.0).run())
    assert "as in the training data" in before and "your setting" not in before
    assert "at a prevalence of 1" in after and "your setting" in after


def test_an_imported_model_without_out_of_fold_predictions_asks_for_no_review() -> None:
    model = SimpleNamespace(has_slice_predictions=False)
    assert uncertainty.render_review_note(model, SimpleNamespace(probability=0.5)) == ""


def test_review_is_asked_for_inside_the_band_only(
    demonstration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spinefrac import imaging
    from spinefrac.inference.predictor import get_predictor

    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    predictor = get_predictor(save_separable_model(tmp_path).id)
    prediction = predictor.predict(imaging.read("spinefrac/ui/samples/fracture-1.dcm"))
    band = uncertainty_profile(predictor.model).abstention_band
    assert band is not None
    inside = replace(prediction, probability=(band.low + band.high) / 2)
    outside = replace(prediction, probability=1.0)
    assert "Needs review by a reader" in uncertainty.render_review_note(predictor.model, inside)
    assert uncertainty.render_review_note(predictor.model, outside) == ""
