"""Whether a heat map points into a box, and how sure that share is."""

import json

import numpy as np
import pytest

from spinefrac.evaluation import pointing_game
from spinefrac.system import reading


def spot(y, x, shape=(20, 30)):
    heatmap = np.zeros(shape, np.float32)
    heatmap[y, x] = 1.0
    return heatmap


def test_the_hottest_point_decides_to_the_pixel():
    box = [(10.0, 4.0, 5.0, 3.0)]  # columns 10…14, rows 4…6
    assert pointing_game.is_hit(spot(4, 10), box) and pointing_game.is_hit(spot(6, 14), box)
    assert not pointing_game.is_hit(spot(7, 14), box) and not pointing_game.is_hit(spot(6, 15), box)
    assert pointing_game.is_hit(spot(6, 15), [*box, (15.0, 6.0, 1.0, 1.0)])


def test_a_flat_map_points_to_the_middle_only():
    flat = np.zeros((20, 30), np.float32)
    assert not pointing_game.is_hit(flat, [(0.0, 0.0, 5.0, 5.0)])


def test_covered_pixels_count_once_and_end_at_the_border():
    mask = pointing_game.rasterize_boxes((10, 10), [(0, 0, 4, 4), (2, 2, 4, 4), (8, 8, 9, 9)])
    assert mask.sum() == 16 + 16 - 4 + 4


def test_the_share_has_an_interval_over_groups():
    hits = [True] * 30 + [False] * 10
    groups = [f"P{n // 4}" for n in range(40)]
    found = pointing_game.summarize_hits(hits, [0.1] * 40, groups)
    assert (found.slices, found.hits, found.share) == (40, 30, 0.75)
    assert found.chance == pytest.approx(0.1)
    low, high = found.ci
    assert 0 < low < 0.75 < high < 1
    # Whole groups are right or wrong here, so the interval is wider than for 40 free slices.
    assert high - low > 2 * 1.96 * np.sqrt(0.75 * 0.25 / 40)
    data = json.loads(json.dumps(found.to_dict()))
    assert reading.convert(data, pointing_game.PointingGameResult) == found
    assert pointing_game.summarize_hits([], [], []) is None
