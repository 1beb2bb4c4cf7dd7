"""The 8-bit picture: each step changes what it says and nothing else."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from spinefrac.data.phantom.export import Export


@pytest.fixture(scope="module")
def hu() -> np.ndarray:
    image = np.full((96, 96), -50, np.float32)
    cv2.circle(image, (48, 48), 24, 900, 3)
    return image + np.random.default_rng(0).normal(0, 40, image.shape).astype(np.float32)


def test_inverted_bone_is_black(hu):
    assert np.array_equal(Export(inverted=True).apply(hu), 255 - Export().apply(hu))


@pytest.mark.parametrize(
    ("export", "rougher"), [(Export(resampled_side=48), False), (Export(sharpening=1.0), True)]
)
def test_resampling_smooths_and_sharpening_roughens(hu, export, rougher):
    before, after = (cv2.Laplacian(e.apply(hu), cv2.CV_32F).std() for e in (Export(), export))
    assert (after > 1.2 * before) if rougher else (after < 0.8 * before)


def test_jpeg_loses_little_but_something(hu):
    plain, lossy = Export().apply(hu), Export(jpeg_quality=70).apply(hu)
    difference = np.abs(plain.astype(int) - lossy)
    assert 0 < difference.mean() < 6


def test_most_drawn_windows_show_soft_tissue_and_bone_apart():
    rng = np.random.default_rng(1)
    scale = np.array([[-1000.0, 40, 150, 1000]], np.float32)
    exports = [Export.sample(rng, 512) for _ in range(200)]
    plain = [e for e in exports if replace(Export(), center=e.center, width=e.width) == e]
    shown = np.array([e.apply(scale)[0].astype(int) for e in plain])
    assert len(shown) > 60
    assert np.mean(shown[:, 3] - shown[:, 1] > 40) > 0.9
    assert len({(e.center, e.width) for e in exports}) > 100
    assert any(e.inverted for e in exports) and not all(e.jpeg_quality for e in exports)
