"""Differences, animations and histograms say what the pictures say."""

import base64
import io

import numpy as np
from PIL import Image

from spinefrac.viz import augmentation as figures

GREY = np.random.default_rng(1).integers(0, 256, (40, 40), np.uint8)


def test_a_difference_tells_darker_from_brighter_from_equal():
    before = np.full((1, 5), 100, np.uint8)
    after = np.array([[100, 36, 0, 164, 132]], np.uint8)
    equal, darker, much_darker, brighter, half = figures.difference_image(before, after)[0].tolist()
    assert equal == list(figures.UNCHANGED_COLOUR)
    assert darker == much_darker == list(figures.DARKER_COLOUR) and brighter == list(
        figures.BRIGHTER_COLOUR
    )
    assert half == [127, 78, 48]  # the mean of equal and brighter


def test_an_animation_goes_forth_and_back_without_loss():
    pictures = [GREY, GREY // 2, GREY // 4]
    content = base64.b64decode(figures.encode_animation(pictures).partition(",")[2])
    moving = Image.open(io.BytesIO(content))
    assert moving.n_frames == 4 and moving.info["loop"] == 0
    for number, expected in enumerate([GREY, GREY // 2, GREY // 4, GREY // 2]):
        moving.seek(number)
        assert np.array_equal(np.asarray(moving.convert("L")), expected)


def test_a_large_animation_is_shrunk():
    content = base64.b64decode(figures.encode_animation([np.zeros((800, 800), np.uint8)] * 2)[22:])
    assert Image.open(io.BytesIO(content)).size == (320, 320)


def test_a_histogram_has_the_shares_of_before_and_after():
    figure = figures.plot_grey_value_histogram(GREY, [GREY, np.zeros_like(GREY)])
    band, before, after = figure.data
    assert np.isclose(sum(before.y), 1) and np.isclose(sum(after.y), 1)
    assert np.isclose(after.y[0], (before.y[0] + 1) / 2)
    assert len(band.y) == 2 * len(before.y)


def test_a_difference_may_be_made_smaller_and_says_the_same() -> None:
    before = np.full((40, 80), 100, np.uint8)
    after = before.copy()
    after[:, 40:] = 160
    whole = figures.difference_image(before, after)
    small = figures.difference_image(before, after, 20)
    assert whole.shape == (40, 80, 3) and small.shape == (10, 20, 3)
    assert np.array_equal(small, whole[::4, ::4])
