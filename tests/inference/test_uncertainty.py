"""A model's doubt comes from its own table of out-of-fold answers."""

from dataclasses import replace

import numpy as np
import pytest

from spinefrac.errors import DatasetError
from spinefrac.inference import uncertainty
from spinefrac.records import InputCheck, ModelInput, Prediction, Square
from spinefrac.store import repository


def prediction(*folds, threshold=0.5):
    picture = np.zeros((4, 4), np.uint8)
    return Prediction(
        "m",
        float(np.mean(folds)),
        threshold,
        folds,
        np.zeros((4, 4), np.float32),
        ModelInput(picture, Square(0, 0, 4)),
        InputCheck(1.0, True),
        1.0,
    )


def test_the_networks_are_counted_at_the_threshold():
    found = uncertainty.ensemble_disagreement(prediction(0.2, 0.5, 0.9))
    assert (found.low, found.high, found.n_fracture, found.n_folds) == (0.2, 0.9, 2, 3)
    assert (
        not found.is_unanimous
        and uncertainty.ensemble_disagreement(prediction(0.6, 0.9)).is_unanimous
    )


def test_a_model_promises_five_per_cent_and_says_so(separable):
    model = separable
    found = uncertainty.uncertainty_profile(model)
    assert (
        found.abstention_band is not None
        and 0.0 <= found.abstention_band.abstention_rate.value < 0.6
    )
    assert not found.needs_review(0.999) and not found.needs_review(0.001)
    assert found.abstention_band.low < model.threshold < found.abstention_band.high
    assert found.needs_review((found.abstention_band.low + found.abstention_band.high) / 2)
    assert "at most 5 %" in found.guarantee and str(found.n_groups) in found.guarantee
    assert found.sensitivity.value == model.metrics.recall
    assert found.at_prevalence(found.observed_prevalence).ppv.value == pytest.approx(
        model.metrics.precision
    )
    assert uncertainty.uncertainty_profile(repository.load(model.id)) is found


def test_another_card_is_another_doubt():
    model = repository.load("phantom-demo")
    assert uncertainty.uncertainty_profile(
        replace(model, card_hash="0" * 64)
    ) is not uncertainty.uncertainty_profile(model)


def test_too_few_patients_promise_nothing_and_refer_everything(saved_model):
    found = uncertainty.uncertainty_profile(saved_model)
    assert found.abstention_band is None and found.needs_review(0.999)
    assert "every slice needs review" in found.guarantee
    with pytest.raises(DatasetError):
        uncertainty.uncertainty_profile(saved_model, acceptable_error_rate=0.7)
