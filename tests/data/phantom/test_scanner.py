"""The simulated scanner: noise of the stated size, the circular field, the range of 12 bits."""

from dataclasses import replace

import numpy as np
import pytest

from spinefrac.data.phantom.anatomy import Region
from spinefrac.data.phantom.plan import get_difficulty
from spinefrac.data.phantom.scanner import Scanner
from spinefrac.imaging.hounsfield import AIR_HU, MAX_HU


@pytest.fixture
def scanner() -> Scanner:
    return Scanner.sample(np.random.default_rng(5), Region.LUMBAR, get_difficulty("hard"))


def test_noise_is_that_of_the_difficulty(scanner):
    assert 45 <= scanner.noise_hu <= 95
    muscle = np.full((256, 256), 50, np.float32)
    scanner = replace(scanner, circular_field=False)
    noise = scanner.add_noise(muscle, np.random.default_rng(1)) - muscle
    assert noise.std() == pytest.approx(scanner.noise_hu, rel=0.25)
    assert abs(noise.mean()) < 0.1 * scanner.noise_hu


def test_outside_the_circular_field_is_padding(scanner):
    image = np.full((256, 256), 50, np.float32)
    circular = replace(scanner, circular_field=True)
    found = circular.add_noise(image, np.random.default_rng(1))
    assert found[0, 0] == found[-1, -1] == AIR_HU and found[128, 128] > AIR_HU + 500


def test_values_stay_in_the_range_of_twelve_bits(scanner):
    extreme = np.where(np.arange(256) % 2, 9000, -9000).astype(np.float32)[None].repeat(256, 0)
    found = scanner.add_noise(extreme, np.random.default_rng(1))
    assert found.dtype == np.float32
    assert (found.min(), found.max()) == (AIR_HU, MAX_HU)


def test_a_pixel_is_a_share_of_the_field_of_view(scanner):
    assert scanner.canvas(256).pixel_size_mm == pytest.approx(scanner.field_of_view / 256)
