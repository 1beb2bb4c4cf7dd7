"""External evaluation: what counts as seen in training, and where heat maps point.

The evaluation of a whole folder is in ``tests/store/test_evaluations.py``.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from spinefrac.inference.external_evaluation import _PointingGameHits, training_overlap
from spinefrac.records import ModelInput, Prediction, Square
from spinefrac.store.evaluations import SlicePredictions

MODEL = SimpleNamespace(data=SimpleNamespace(fingerprint="f" * 64))


def slice_predictions(hashes: tuple[str, ...], groups: tuple[str, ...]) -> SlicePredictions:
    count = len(groups)
    return SlicePredictions(
        paths=tuple(f"{row}.png" for row in range(count)),
        groups=np.array(groups),
        labels=np.zeros(count, int),
        probabilities=np.full(count, 0.5),
        pixel_hashes=hashes,
    )


def test_overlap_is_counted_by_pixels_and_by_group_names() -> None:
    training = slice_predictions(("a", "b", "c"), ("p1", "p1", "p2"))
    other = slice_predictions(("c", "d"), ("p2", "p3"))
    overlap = training_overlap(MODEL, training, other, "another")
    assert (overlap.same_data, overlap.slices, overlap.group_names) == (False, 1, 1)
    assert training_overlap(MODEL, training, other, "f" * 64).same_data


def test_a_model_without_hashes_or_training_data_knows_less() -> None:
    other = slice_predictions(("c", "d"), ("p2", "p3"))
    assert training_overlap(MODEL, slice_predictions((), ("p1",)), other, "x").slices is None
    assert not training_overlap(MODEL, None, other, "x").known


@pytest.mark.parametrize(("row", "hit"), [(3, True), (9, False)])
def test_the_chance_of_a_hit_is_the_area_of_the_box_in_the_crop(row: int, hit: bool) -> None:
    heatmap = np.zeros((12, 12), np.float32)
    heatmap[row, 3] = 1.0
    hits = _PointingGameHits([], [], [])
    prediction = Prediction(
        "m", 0.9, 0.5, (0.9,), heatmap, ModelInput(np.zeros((8, 8), np.uint8), Square(0, 0, 10)),
        None, 1.0,
    )  # fmt: skip
    hits.add(SimpleNamespace(group="p1"), prediction, [(2, 2, 4, 5)])
    assert hits.hits == [hit] and hits.groups == ["p1"]
    assert hits.chance_levels == pytest.approx([0.2])  # 4 by 5 of 10 by 10 pixels
