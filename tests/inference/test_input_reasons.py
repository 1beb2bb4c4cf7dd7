"""The reason that the input check gives."""

import numpy as np
import pytest

from spinefrac.inference.input_reasons import describe_deviation, explain_storage
from spinefrac.records import CtSlice
from spinefrac.store.card import DataSummary
from spinefrac.store.input_reference import Deviation
from spinefrac.store.input_statistics import FEATURE_NAMES
from tests.support.reference import make_reference


@pytest.fixture(scope="module")
def summary():
    return make_reference(80).summary


def explain(
    summary, depths, noise=0.0, grain=0.0, air=0.0, mean=0.0, storage="", synthetic=False
) -> str:
    deviation = Deviation(max(*depths, noise), depths, noise, grain)
    z = np.zeros(len(FEATURE_NAMES))
    z[FEATURE_NAMES.index("black")], z[FEATURE_NAMES.index("mean")] = air, mean
    return describe_deviation(deviation, summary, z, storage, is_synthetic=synthetic)


def store(calibrated: bool) -> CtSlice:
    return CtSlice(np.zeros((8, 8), np.float32), calibrated=calibrated, format="png")


def data(calibrated: int | None) -> DataSummary:
    return DataSummary("f" * 64, 60, 12, "file name", 24, 36, calibrated=calibrated)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ({"depths": (0, 20)}, "another part of the body"),
        ({"depths": (20, 0)}, "another scanner"),
        ({"depths": (0, 0), "noise": 5}, "noisier"),
        ({"depths": (20, 0), "noise": -5}, "less noise"),
        ({"depths": (20, 0), "grain": 3}, "sharper kernel"),
        ({"depths": (20, 0), "grain": -3}, "softer kernel"),
        ({"depths": (0, 20), "air": 4}, "smaller patient"),
        ({"depths": (0, 20), "air": -4}, "larger patient"),
        ({"depths": (20, 20), "synthetic": True}, "real or synthesised"),
        ({"depths": (0, 0)}, "unusual combination"),
    ],
)
def test_each_cause_has_its_words(summary, case, words) -> None:
    assert words in explain(summary, **case)


def test_causes_are_joined_and_no_more_than_three(summary) -> None:
    found = explain(summary, (20, 20), noise=5, grain=3, air=4, synthetic=True)
    assert found.count(",") == 1 and found.count(" and ") == 1
    assert found.startswith("real or") and "sharper kernel" in found


def test_a_sharp_slice_of_real_anatomy_is_not_called_real_for_a_model_of_real_slices(summary):
    assert "real" not in explain(summary, (20, 20), synthetic=False)


@pytest.mark.parametrize(
    ("calibrated", "trained_on", "words"),
    [
        (True, 0, "in Hounsfield units ("),
        (False, 60, "a picture in a window ("),
        (True, 1, ""),
        (False, 59, ""),
        (False, 0, ""),
        (True, 60, ""),
        (True, None, ""),
    ],
)
def test_a_unit_that_no_training_slice_has_is_named(calibrated, trained_on, words) -> None:
    found = explain_storage(store(calibrated), data(trained_on))
    assert found.startswith(words) and bool(found) == bool(words)
    assert explain_storage(store(calibrated), None) == ""


def test_the_unit_is_a_reason_only_where_grey_levels_deviate(summary) -> None:
    told = "in Hounsfield units (all others are not)"
    assert explain(summary, (20, 0), mean=3, storage=told).startswith(told)
    assert told not in explain(summary, (20, 0), mean=1, storage=told)
