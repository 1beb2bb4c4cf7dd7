"""The augmentation: reproducible, within its ranges, and off where it is off."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinefrac.errors import TrainingError
from spinefrac.training.augmentation import Augmenter
from spinefrac.training.settings import AugmentationConfig

RAMP = np.add.outer(np.arange(48), 2 * np.arange(48)).astype(np.uint8)


def only(**change: float) -> AugmentationConfig:
    off = AugmentationConfig.off()
    return AugmentationConfig(**{name: change.get(name, getattr(off, name)) for name in NAMES})


NAMES = ("rotation", "zoom", "brightness", "shift", "flip", "contrast", "noise")


@given(st.integers(0, 2**31), st.integers(0, 1000), st.integers(0, 10**6))
def test_seed_epoch_and_index_determine_the_picture(seed, epoch, index):
    first = Augmenter(AugmentationConfig(), seed)(RAMP, epoch, index)
    again = Augmenter(AugmentationConfig(), seed)(RAMP, epoch, index)
    assert first.dtype == np.uint8 and first.shape == RAMP.shape
    assert np.array_equal(first, again)


def test_each_of_them_changes_the_picture():
    augment = Augmenter(AugmentationConfig(), 3)
    pictures = {augment(RAMP, epoch, index).tobytes() for epoch in range(4) for index in range(4)}
    assert len(pictures) == 16
    assert not np.array_equal(augment(RAMP, 1, 1), Augmenter(AugmentationConfig(), 4)(RAMP, 1, 1))


def test_off_returns_the_picture_itself():
    assert np.array_equal(Augmenter(AugmentationConfig.off(), 0)(RAMP, 1, 1), RAMP)


def test_the_original_is_never_written_to():
    original = RAMP.copy()
    for index in range(20):
        Augmenter(AugmentationConfig(), 0)(original, 1, index)
    assert np.array_equal(original, RAMP)


@pytest.mark.parametrize("name", NAMES)
def test_each_transform_works_alone(name):
    augment = Augmenter(only(**{name: True if name == "flip" else 0.3}), 1)
    assert any(not np.array_equal(augment(RAMP, 1, index), RAMP) for index in range(8))


def test_brightness_stays_within_its_range():
    grey = np.full((32, 32), 128, np.uint8)
    shifts = [
        float(Augmenter(only(brightness=0.1), 5)(grey, 1, index).mean()) - 128
        for index in range(300)
    ]
    assert -26 <= min(shifts) < -22 and 22 < max(shifts) <= 26  # 0.1 of 255, and nearly reached


def test_noise_has_the_spread_it_says():
    grey = np.full((128, 128), 128, np.uint8)
    spreads = [Augmenter(only(noise=0.05), 5)(grey, 1, index).std() for index in range(200)]
    assert 11.5 < max(spreads) < 13.2  # 0.05 of 255 is 12.75


def test_flip_is_a_mirror():
    augment = Augmenter(only(flip=True), 2)
    pictures = [augment(RAMP, 1, index) for index in range(40)]
    mirrored = sum(np.array_equal(picture, RAMP[:, ::-1]) for picture in pictures)
    kept = sum(np.array_equal(picture, RAMP) for picture in pictures)
    assert mirrored + kept == 40 and 10 < mirrored < 30


def test_a_range_out_of_bounds_is_named():
    with pytest.raises(TrainingError, match=r"zoom must lie between 0 and 0\.9, got 1"):
        AugmentationConfig(zoom=1.0)
