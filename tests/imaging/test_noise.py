"""Noise and grain of a model input."""

import cv2
import numpy as np
import pytest

from spinefrac.imaging.noise import measure_noise


def tissue(noise: float, sigma: float, seed: int = 0) -> np.ndarray:
    """Soft tissue and a bone on black, in noise that a Gaussian of `sigma` pixels correlates."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:160, :160] - 80
    clean = 70.0 * (np.hypot(y, x) < 75) + 90.0 * (np.hypot(y, x) < 20)
    grain = cv2.GaussianBlur(rng.normal(size=(160, 160)), (0, 0), sigma)
    return np.clip(clean + noise * grain / grain.std() * (clean > 0), 0, 255).astype(np.uint8)


def test_more_noise_is_a_higher_level_of_the_same_grain() -> None:
    quiet, loud = (measure_noise(tissue(noise, 0.7)) for noise in (6, 12))
    assert loud.level - quiet.level == pytest.approx(np.log(2), abs=0.15)
    assert loud.grain == pytest.approx(quiet.grain, abs=0.2)


def test_finer_noise_has_a_higher_grain() -> None:
    grains = [measure_noise(tissue(10, sigma)).grain for sigma in (0.5, 0.8, 1.2)]
    assert grains == sorted(grains, reverse=True) and grains[0] - grains[2] > 1


@pytest.mark.parametrize("value", [0, 90, 255])
def test_a_flat_input_has_finite_noise(value: int) -> None:
    found = measure_noise(np.full((32, 32), value, np.uint8))
    assert np.isfinite([found.level, found.grain]).all()
