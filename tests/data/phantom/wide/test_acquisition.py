"""Scans: fields of view by part of the body, and artefacts that do what they say."""

from dataclasses import replace

import numpy as np
import pytest

from spinefrac.data.phantom.plan import get_difficulty
from spinefrac.data.phantom.wide.acquisition import Acquisition


@pytest.fixture
def plain() -> Acquisition:
    drawn = Acquisition.sample(np.random.default_rng(0), "neck", get_difficulty("hard"), 128)
    return replace(drawn, partial_volume=0.0, motion=0.0, ring_hu=0.0, streak_hu=0.0)


@pytest.fixture
def image() -> np.ndarray:
    picture = np.zeros((128, 128), np.float32)
    picture[40:80, 50:90] = 1000
    return picture


def test_fields_reach_from_one_vertebra_to_the_whole_body():
    rng = np.random.default_rng(1)
    for part, low, high in (("head", 130, 270), ("neck", 66, 300), ("trunk", 84, 480)):
        fields = [
            Acquisition.sample(rng, part, get_difficulty("hard"), 512).scanner.field_of_view
            for _ in range(40)
        ]
        assert low <= min(fields) < low * 1.4 and high * 0.75 < max(fields) <= high


def test_nothing_is_added_where_nothing_is_drawn(plain, image, rng):
    assert np.array_equal(plain.blur_thickness(image, rng), image)
    assert np.array_equal(plain.add_artefacts(image, None, rng), image)


def test_thickness_softens_edges_and_motion_doubles_them(plain, image, rng):
    # 2 mm are about 2 pixels.
    thick = replace(plain, partial_volume=2.0).blur_thickness(image, rng)
    between = ((thick > 100) & (thick < 900)).sum()
    assert between > 60
    ghost = replace(plain, motion=3.0, motion_share=0.4).blur_thickness(image, rng)
    assert ((ghost > 300) & (ghost < 700)).sum() > 40


def test_streaks_run_from_side_to_side_and_rays_from_metal(plain, image, rng):
    streaks = replace(plain, streak_hu=50.0).add_artefacts(image, None, rng) - image
    assert np.abs(np.diff(streaks, axis=0)).mean() > 2 * np.abs(np.diff(streaks, axis=1)).mean()
    rays = np.abs(plain.add_artefacts(image, (64.0, 64.0), rng) - image)
    assert rays[54:74, 54:74].mean() > 2 * rays[:20].mean() > 0
    rings = replace(plain, ring_hu=20.0).add_artefacts(image, None, rng) - image
    assert rings.std() > 10
