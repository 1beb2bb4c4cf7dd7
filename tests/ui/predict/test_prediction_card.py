"""Cards about one prediction."""

from __future__ import annotations

import numpy as np
import pytest

from spinefrac.records import InputCheck, ModelInput, Prediction, Square
from spinefrac.ui.predict.prediction_card import render_input_check, render_prediction_card


def predict(probability: float, check: InputCheck | None = None) -> Prediction:
    return Prediction(
        model="m",
        probability=probability,
        threshold=0.6,
        fold_probabilities=(0.1, probability),
        heatmap=None,
        input=ModelInput(np.zeros((8, 8), np.uint8), Square(0, 0, 8)),
        input_check=check,
        milliseconds=1.0,
    )


@pytest.mark.parametrize(
    ("probability", "predicted", "side"),
    [(0.6, "Fracture", "at or above"), (0.59, "No fracture", "below")],
)
def test_class_probability_and_threshold_are_shown(
    probability: float, predicted: str, side: str
) -> None:
    shown = render_prediction_card(predict(probability))
    assert f'<span class="label">{predicted}</span>' in shown
    assert f"Probability {side} the threshold of 60" in shown
    assert shown.count('class="network"') == 2
    assert "Label of this" not in shown


def test_a_wrong_prediction_for_a_sample_is_named() -> None:
    assert "This prediction is wrong" in render_prediction_card(predict(0.1), "fracture")
    assert "This prediction is wrong" not in render_prediction_card(predict(0.9), "fracture")


def test_a_suppressed_prediction_is_crossed_out_and_explained() -> None:
    shown = render_prediction_card(predict(0.9), "fracture", suppressed=True)
    assert "suppressed" in shown and "out of distribution" in shown
    assert "Label of this" not in shown


def test_text_is_escaped_and_markup_is_not() -> None:
    shown = render_prediction_card(predict(0.9), "<script>")
    assert "<script>" not in shown and "&lt;script&gt;" in shown


def test_the_input_check_tells_in_from_out_of_distribution() -> None:
    inside = render_input_check(InputCheck(score=42.0, typical=True, reason=""))
    assert "In distribution" in inside and "out-of-distribution" not in inside
    outside = render_input_check(InputCheck(score=100.0, typical=False, reason="a colour <image>"))
    assert "do not rely on this prediction" in outside
    assert "A colour &lt;image&gt;. It is less typical than all of the training slices." in outside
    assert "Input check not available" in render_input_check(None)
