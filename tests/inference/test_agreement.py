"""Several models on one slice: in agreement or not, in words."""

from __future__ import annotations

import numpy as np

from spinefrac.inference.agreement import describe_agreement
from spinefrac.records import InputCheck, ModelInput, Prediction, Square


def prediction(model: str, probability: float, *, typical: bool = True) -> Prediction:
    pixels = np.zeros((2, 2), np.uint8)
    return Prediction(
        model=model,
        probability=probability,
        threshold=0.5,
        fold_probabilities=(probability,),
        heatmap=None,
        input=ModelInput(pixels, Square(0, 0, 2)),
        input_check=InputCheck(1.0, typical, "" if typical else "another"),
        milliseconds=1.0,
    )


def test_agreement_is_said_in_words() -> None:
    same = describe_agreement([prediction("a", 0.1), prediction("b", 0.3)])
    assert same == "All 2 models predict no fracture. Probabilities from 10\u202f% to 30\u202f%."
    apart = describe_agreement([prediction("a", 0.1), prediction("b", 0.8), prediction("c", 0.9)])
    assert "disagree: 2 of 3 predict fracture (b and c)" in apart
    strange = describe_agreement([prediction("a", 0.1), prediction("b", 0.2, typical=False)])
    assert "unlike the training slices of b" in strange
