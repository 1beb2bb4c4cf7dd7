"""Fracture lines of every kind touch the bone."""

import numpy as np
import pytest

from spinefrac.data.phantom.plan import get_difficulty
from spinefrac.data.phantom.wide import lines
from spinefrac.data.phantom.wide.atlas import build_atlas
from spinefrac.data.phantom.wide.lines import sample_wide_lines, widen
from spinefrac.data.phantom.wide.skull import build_skull


@pytest.mark.parametrize("seed", range(12))
def test_every_fracture_crosses_bone(bone, seed):
    rng = np.random.default_rng(seed)
    drawn = sample_wide_lines(bone, get_difficulty("hard"), rng)
    assert drawn
    touched = np.zeros_like(bone.mask)
    for line in drawn:
        touched |= bone.canvas.curve_mask(line)
    assert (touched & bone.mask).any()


def test_atlas_and_skull_break_too(anatomy, rng):
    for broken in (build_atlas(anatomy, 0.9, rng, 0.5), build_skull(anatomy, 0.2, rng, 0.8)[0]):
        for _ in range(5):
            drawn = sample_wide_lines(broken, get_difficulty("easy"), rng)
            touched = sum(broken.canvas.curve_mask(line).astype(int) for line in drawn)
            assert ((touched > 0) & (broken.mask > 0)).any()


def test_a_corner_chip_leaves_most_of_the_body(bone, rng):
    (line,) = lines._corner_chip(bone, rng)
    cut = bone.body & (1 - bone.canvas.curve_mask(line))
    assert cut.sum() > 0.9 * bone.body.sum()
    middle, _ = lines._middle(bone)
    assert np.hypot(*(line - middle).T).max() > 5


def test_lines_are_wide_enough_for_the_pixels(rng):
    hard = get_difficulty("hard")
    for pixel in (0.15, 0.4, 0.9):
        assert widen(hard, pixel, rng).width_mm[0] >= 0.8 * pixel
