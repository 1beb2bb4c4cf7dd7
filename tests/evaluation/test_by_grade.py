"""A model on the slices of each grade of its input check."""

import numpy as np
import pytest

from spinefrac.evaluation.by_grade import summarize_by_grade
from spinefrac.evaluation.inputs import make_inputs


def test_each_grade_has_its_own_numbers() -> None:
    labels = [0, 1, 0, 1, 1, 0]
    scores = [0.1, 0.9, 0.2, 0.8, 0.1, 0.9]
    grades = ["like"] * 4 + ["unlike"] * 2
    inputs = make_inputs(labels, scores, ["a", "a", "b", "b", "c", "d"])
    outside = np.array([True, True, False, True, True, True])
    like, unlike = summarize_by_grade(inputs, grades, 0.5, outside)
    assert (like.grade, like.slices, like.groups, like.outside) == ("like", 4, 2, 3)
    assert (like.auc, like.error_rate, like.outside_error_rate) == (1.0, 0.0, 0.0)
    assert like.prevalence == 0.5 and like.mean_probability == pytest.approx(0.5)
    assert (unlike.grade, unlike.auc, unlike.error_rate) == ("unlike", 0.0, 1.0)
    assert unlike.outside_error_rate == 1.0


def test_without_a_band_and_with_one_class_nothing_is_made_up() -> None:
    inputs = make_inputs([1, 1], [0.9, 0.2], ["a", "b"])
    (found,) = summarize_by_grade(inputs, ["unusual", "unusual"], 0.5)
    assert (found.auc, found.outside, found.outside_error_rate) == (None, 0, None)
    assert found.error_rate == 0.5
