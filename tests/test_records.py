"""The dataclasses that packages share: derived values, and the way through a dict."""

from pathlib import Path

import numpy as np
import pytest

from spinefrac.records import (
    CLASS_NAMES,
    Dataset,
    Item,
    ModelInput,
    Prediction,
    Preprocessing,
    Square,
)

ITEMS = (
    Item("a.png", 0, "p1", size="512×512", series="s1"),
    Item("b.png", 1, "p1", size="512×512", series="s2"),
    Item("c.png", 1, "p2", size="512×512"),
)


def test_a_data_set_as_arrays():
    dataset = Dataset(Path("x"), ITEMS, "rule", "f" * 64)
    np.testing.assert_array_equal(dataset.labels, [0, 1, 1])
    np.testing.assert_array_equal(dataset.groups, ["p1", "p1", "p2"])
    assert dataset.paths == ("a.png", "b.png", "c.png")


def test_subgroups_are_the_columns_that_differ():
    dataset = Dataset(Path("x"), ITEMS, "rule", "f" * 64)
    assert dataset.subgroups == {"series": ("s1", "s2", "unknown")}


@pytest.mark.parametrize(("probability", "label"), [(0.49, 0), (0.5, 1), (0.51, 1)])
def test_the_predicted_class_is_fracture_from_the_threshold_on(probability, label):
    model_input = ModelInput(np.zeros((4, 4), np.uint8), Square(0, 0, 4))
    prediction = Prediction("m", probability, 0.5, (probability,), None, model_input, None, 1.0)
    assert prediction.label == CLASS_NAMES[label]


def test_preprocessing_comes_back_from_a_dict():
    changed = Preprocessing(size=96, window_center=40.0, window_width=400.0, bone_crop=False)
    assert Preprocessing(**changed.to_dict()) == changed
