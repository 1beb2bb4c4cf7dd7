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
    found = uncertainty.disagreement(prediction(0.2, 0.5, 0.9))
    assert (found.low, found.high, found.fracture, found.folds) == (0.2, 0.9, 2, 3)
    assert not found.united and uncertainty.disagreement(prediction(0.6, 0.9)).united


def test_the_demonstration_promises_five_per_cent_and_says_so():
    model = repository.load("phantom-demo")
    found = uncertainty.of(model)
    assert found.band is not None and 0.0 <= found.band.referred.value < 0.6
    assert not found.refers(0.999) and not found.refers(0.001)
    assert found.refers((found.band.low + found.band.high) / 2) or found.band.low == found.band.high
    assert "at most 5 %" in found.guarantee and str(found.groups) in found.guarantee
    assert found.sensitivity.value == model.metrics.recall
    assert found.at_prevalence(found.observed).positive.value == pytest.approx(
        model.metrics.precision
    )
    assert uncertainty.of(repository.load("phantom-demo")) is found


def test_another_card_is_another_doubt():
    model = repository.load("phantom-demo")
    assert uncertainty.of(replace(model, card_hash="0" * 64)) is not uncertainty.of(model)


def test_too_few_patients_promise_nothing_and_refer_everything(saved_model):
    found = uncertainty.of(saved_model)
    assert found.band is None and found.refers(0.999)
    assert "have every slice read" in found.guarantee
    with pytest.raises(DatasetError):
        uncertainty.of(saved_model, rate=0.7)
