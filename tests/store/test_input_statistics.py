"""Sixteen statistics of model inputs, and distances from those of the training slices."""

import json

import numpy as np
import pytest

from spinefrac.store import input_statistics
from spinefrac.store.input_statistics import FEATURE_NAMES, InputCheckStatistics


def noise(count, seed, spread=20.0, side=32):
    """Grey noise around 120, uint8 (count, side, side)."""
    rng = np.random.default_rng(seed)
    brightness = rng.normal(120, 8, (count, 1, 1))
    values = brightness + rng.normal(0, spread, (count, side, side))
    return np.clip(values, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def statistics():
    return input_statistics.fit(noise(60, seed=0), np.repeat(np.arange(20), 3))


def distance(statistics, pixels):
    return float(statistics.mahalanobis_distance(input_statistics.extract_features(pixels)))


def test_statistics_survive_json(statistics):
    again = InputCheckStatistics.from_dict(json.loads(json.dumps(statistics.to_dict())))
    assert again == statistics
    [pixels] = noise(1, seed=5)
    assert distance(again, pixels) == distance(statistics, pixels)


def test_shapes(statistics):
    n = len(FEATURE_NAMES)
    assert len(statistics.features) == len(statistics.center) == len(statistics.scale) == n
    assert np.shape(statistics.precision) == (n, n) and len(statistics.quantiles) == 201
    assert statistics.images == 60
    features = np.stack([input_statistics.extract_features(p) for p in noise(5, seed=1)])
    assert features.shape == (5, n)
    assert statistics.standardize(features).shape == (5, n)
    assert statistics.mahalanobis_distance(features).shape == (5,)


def test_like_slices_are_near_and_others_far(statistics):
    like = [distance(statistics, pixels) for pixels in noise(20, seed=2)]
    rough = [distance(statistics, pixels) for pixels in noise(20, seed=3, spread=60.0)]
    assert np.median(like) < statistics.distance_limit < min(rough)
    assert statistics.distance_percentile(0.0) == 0.0
    assert statistics.distance_percentile(max(rough)) == 100.0
    assert 10 < statistics.distance_percentile(float(np.median(like))) < 90


def test_the_distances_are_those_of_groups_not_fitted(statistics):
    """Fitted to its own distances, a few slices would all look nearer than new ones are."""
    alone = input_statistics.fit(noise(60, seed=0)[:12])
    own = [distance(alone, pixels) for pixels in noise(60, seed=0)[:12]]
    assert np.interp(50.0, np.linspace(0, 100, 201), alone.quantiles) > np.median(own)


@pytest.mark.parametrize("grey", [0, 90, 255])
def test_flat_inputs_give_finite_statistics(grey):
    flat = np.full((3, 32, 32), grey, np.uint8)
    assert np.isfinite(input_statistics.extract_features(flat[0])).all()
    fitted = input_statistics.fit(flat)
    assert distance(fitted, flat[0]) <= fitted.distance_limit


def test_some_statistics_by_hand():
    half = np.zeros((32, 32), np.uint8)
    half[:, 16:] = 250
    values = dict(zip(FEATURE_NAMES, input_statistics.extract_features(half), strict=True))
    assert values["black"] == values["white"] == values["flat"] == 0.5
    assert values["mean"] == pytest.approx(250 / 255, abs=1e-6)
    assert values["spread"] == pytest.approx(0, abs=1e-6)
    assert values["symmetry"] == pytest.approx(-1.0, abs=1e-5)
    assert values["entropy"] == pytest.approx(1 / 5)  # one bit of five


@pytest.mark.parametrize("dark", [0, 30, 32 * 32 - 1, 32 * 32])
def test_grey_values_are_described_as_numpy_does(dark):
    [pixels] = noise(1, seed=9, spread=70.0)
    pixels.ravel()[:dark] = 3
    found = dict(zip(FEATURE_NAMES, input_statistics.extract_features(pixels), strict=True))
    grey = pixels / 255.0
    tissue = grey[pixels >= 8] if (pixels >= 8).any() else grey.ravel()
    for name, percent in (("p25", 25), ("p50", 50), ("p75", 75), ("p95", 95)):
        assert found[name] == pytest.approx(np.percentile(tissue, percent), abs=1e-9)
    assert found["mean"] == pytest.approx(tissue.mean(), abs=1e-9)
    assert found["spread"] == pytest.approx(tissue.std(), abs=1e-9)
    assert found["black"] == pytest.approx((pixels < 8).mean())
    assert found["white"] == pytest.approx((pixels > 247).mean())
