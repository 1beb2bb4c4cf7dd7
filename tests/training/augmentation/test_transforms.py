"""The augmentation: reproducible, within its ranges, and off where it is off."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from spinefrac.errors import TrainingError
from spinefrac.training.augmentation.transforms import Augmenter, TransformParams, apply_transforms
from spinefrac.training.settings import AugmentationConfig

RAMP = np.add.outer(np.arange(48), 2 * np.arange(48)).astype(np.uint8)


def only(**change: float) -> AugmentationConfig:
    off = AugmentationConfig.identity()
    return AugmentationConfig(**{name: change.get(name, getattr(off, name)) for name in NAMES})


NAMES = ("rotation", "zoom", "brightness", "shift", "flip", "contrast", "noise", "sharpness")


@given_settings(deadline=None)  # other processes may have the cores
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
    assert np.array_equal(Augmenter(AugmentationConfig.identity(), 0)(RAMP, 1, 1), RAMP)


def test_the_original_is_never_written_to():
    original = RAMP.copy()
    for index in range(20):
        Augmenter(AugmentationConfig(), 0)(original, 1, index)
    assert np.array_equal(original, RAMP)


@pytest.mark.parametrize("name", NAMES)
def test_each_transform_works_alone(name):
    augment = Augmenter(only(**{name: True if name == "flip" else 0.3}), 1)
    picture = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
    assert any(not np.array_equal(augment(picture, 1, index), picture) for index in range(8))


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


def as_the_first_models_were_trained(pixels, config, seed, epoch, index):
    """The augmentation before there were probabilities and sharpness, written out."""
    side = len(pixels)
    rng = np.random.default_rng((seed, epoch, index))
    angle, zoom, right, down = rng.uniform(-1, 1, 4) * (
        *(config.rotation, config.zoom),
        *(config.shift * side, config.shift * side),
    )
    if rng.random() < 0.5:
        pixels = cv2.flip(pixels, 1)
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), angle, 1 + zoom)
    matrix[:, 2] += (right, down)
    values = cv2.warpAffine(pixels, matrix, (side, side)).astype(np.float32)
    brightness, contrast = rng.uniform(-1, 1, 2) * (config.brightness * 255, config.contrast)
    sigma = rng.random() * config.noise * 255
    mean = float(values.mean())
    values = (values - mean) * np.float32(1 + contrast) + np.float32(mean + brightness)
    bank = np.random.default_rng(side**2).standard_normal(8 * side**2, dtype=np.float32)
    start = int(rng.integers(7 * side**2))
    values += bank[start : start + side**2].reshape(side, side) * np.float32(sigma)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "config",
    [AugmentationConfig(), AugmentationConfig(rotation=33.3, zoom=0.37, shift=0.213, noise=0.07)],
)
def test_the_settings_of_older_cards_give_the_pictures_of_older_runs(config):
    for epoch in (1, 2, 3):
        for index in (0, 5, 70_000):
            before = as_the_first_models_were_trained(RAMP, config, 11, epoch, index)
            assert np.array_equal(Augmenter(config, 11)(RAMP, epoch, index), before)


@pytest.mark.parametrize("name", NAMES)
def test_switching_one_off_changes_nothing_about_the_others(name):
    """So that a preview of a single transform is what the transform does among the others."""
    full = AugmentationConfig(sharpness=0.5)
    nothing = getattr(TransformParams(), name)
    for changed in (
        replace(full, **{name: False if name == "flip" else 0.0}),
        replace(full, **{f"{name}_probability": 0.0}),
    ):
        for index in range(20):
            drawn = Augmenter(full, 3).sample_params(48, 1, index)
            left = Augmenter(changed, 3).sample_params(48, 1, index)
            expected = replace(drawn, **{name: nothing})
            if name == "noise":  # without noise nothing is taken from its bank
                expected, left = (replace(d, noise_start=0) for d in (expected, left))
            assert left == expected


@pytest.mark.parametrize("name", NAMES)
def test_each_takes_part_in_its_share_of_the_draws(name):
    config = replace(
        only(**{name: True if name == "flip" else 0.3}), **{f"{name}_probability": 0.3}
    )
    draws = [Augmenter(config, 4).sample_params(48, 1, index) for index in range(1000)]
    taking_part = sum(getattr(draw, name) != getattr(TransformParams(), name) for draw in draws)
    assert 240 < taking_part < 360  # four standard errors around 300


@pytest.mark.parametrize("name", [name for name in NAMES if name != "flip"])
def test_a_range_of_two_numbers_is_kept_to_both_ends(name):
    low, high = {"rotation": (2.0, 90.0)}.get(name, (0.1, 0.3))
    config = only(**{name: (low, high)})
    draws = [Augmenter(config, 4).sample_params(100, 1, index) for index in range(500)]
    ends = [TransformParams.from_transform(name, value, 100) for value in (low, high)]
    values, (least, most) = (
        np.array([getattr(draw, name) for draw in some]) for some in (draws, ends)
    )
    assert (least <= values).all() and (values <= most).all()
    assert (values.min(0) < least + 0.05 * (most - least)).all()
    assert (values.max(0) > most - 0.05 * (most - least)).all()


def test_sharpness_adds_and_takes_away_detail():
    picture = np.full((160, 160), 100, np.uint8)
    picture[:, 80:82] = 60  # a line of two pixels
    depth = {
        value: 100
        - int(
            apply_transforms(picture, TransformParams.from_transform("sharpness", value, 160))[
                80, 80:82
            ].mean()
        )
        for value in (-1.0, -0.5, 0.0, 1.0)
    }
    assert depth[-1.0] < depth[-0.5] < depth[0.0] == 40 < depth[1.0]
    assert depth[-1.0] < 30


def test_a_shift_goes_right_and_down():
    picture = np.zeros((64, 64), np.uint8)
    picture[20, 30] = 255
    moved = apply_transforms(picture, TransformParams.from_transform("shift", 0.125, 64))
    assert np.argwhere(moved == 255).tolist() == [[28, 38]]
