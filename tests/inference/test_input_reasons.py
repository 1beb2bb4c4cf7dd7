"""The reason that the input check gives."""

import pytest

from spinefrac.inference.input_reasons import describe_deviation
from spinefrac.store.input_reference import Deviation
from tests.support.reference import make_reference


@pytest.fixture(scope="module")
def summary():
    return make_reference(80).summary


def explain(summary, depths, noise=0.0, grain=0.0, air=0.0, synthetic=False) -> str:
    deviation = Deviation(max(*depths, noise), depths, noise, grain)
    return describe_deviation(deviation, summary, air, is_synthetic=synthetic)


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
