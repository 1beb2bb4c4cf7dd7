"""Cards about one prediction."""

from __future__ import annotations

import numpy as np
import pytest

from spinefrac.records import UNUSUAL, InputCheck, ModelInput, NearestSlice, Prediction, Square
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
    assert "suppressed" in shown and "unlike the training slices" in shown
    assert "Label of this" not in shown


def test_text_is_escaped_and_markup_is_not() -> None:
    shown = render_prediction_card(predict(0.9), "<script>")
    assert "<script>" not in shown and "&lt;script&gt;" in shown


def test_the_input_check_has_three_grades() -> None:
    inside = render_input_check(InputCheck(score=42.0, typical=True, reason=""))
    assert "Like the training slices" in inside and "sf-input-check unlike" not in inside
    between = render_input_check(InputCheck(99.0, False, "noisier", UNUSUAL))
    assert "Unusual slice: needs review by a reader" in between and "Noisier." in between
    assert "sf-input-check unusual" in between
    outside = render_input_check(InputCheck(score=100.0, typical=False, reason="a colour <image>"))
    assert "do not rely on this prediction" in outside
    assert "A colour &lt;image&gt;. It is less typical than all of the training slices." in outside
    assert "Input check not available" in render_input_check(None)


def test_the_most_similar_training_slices_are_shown_without_a_name() -> None:
    nearest = (NearestSlice(patient=7, label=1, probability=0.93, distance=1.25),)
    shown = render_input_check(InputCheck(99.0, False, "noisier", UNUSUAL, nearest))
    assert "<td>7</td><td>fracture</td>" in shown and "<td>1.2</td>" in shown and "93" in shown


def test_training_slices_have_pictures_where_there_are_some() -> None:
    nearest = tuple(NearestSlice(patient, 0, 0.1, 1.0) for patient in (7, 8, 9))
    check = InputCheck(99.0, False, "noisier", UNUSUAL, nearest)
    shown = render_input_check(check, ["data:image/jpeg;base64,QUJD", "", "data:,"])
    assert shown.count("<img") == 2 and 'alt="Training slice of patient 9"' in shown
    assert "<img" not in render_input_check(check, ["", "", ""])
    assert "<img" not in render_input_check(check)


def test_an_unusual_slice_keeps_its_prediction() -> None:
    shown = render_prediction_card(predict(0.9, InputCheck(99.0, False, "noisier", UNUSUAL)))
    assert "suppressed" not in shown and "muted" not in shown
