"""Figures of weights alone: AUC, and whether the heat map points into the mask."""

import numpy as np
import pytest

from spinefrac.training import heads
from spinefrac.training.pretraining import figures
from spinefrac.training.pretraining.phantom_slices import MaskedSlices


@pytest.fixture
def dot_detector():
    """A network whose logit is the brightest cell, of two pixels a side."""
    import keras

    image = keras.Input((32, 32, 1), name="image")
    cells = keras.layers.MaxPooling2D()(keras.layers.Rescaling(1 / 255)(image))
    network = keras.Model(image, heads.build_head({"features": cells}))
    network.get_layer("logit").set_weights([np.array([[0.0], [10.0]]), np.array([-5.0])])
    return network


def test_auc_and_where_the_heat_map_points(dot_detector):
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 60, (24, 32, 32)).astype(np.uint8)
    masks, labels = np.zeros_like(pixels), np.arange(24) % 2
    for number in np.flatnonzero(labels):
        row, column = rng.integers(2, 26, 2)
        pixels[number, row : row + 4, column : column + 4] = 255
        masks[number, row : row + 4, column : column + 4] = 255
    patients = np.arange(24) // 2
    found = figures.measure(dot_detector, MaskedSlices(pixels, masks, labels, patients))
    assert (found["slices"], found["patients"]) == (24, 12)
    assert found["auc"] == found["pointing"] == 1.0
    assert found["auc_ci"][0] > 0.7 and found["pointing_ci"][0] > 0.5
    elsewhere = MaskedSlices(pixels, np.roll(masks, 16, axis=(1, 2)), labels, patients)
    assert figures.measure(dot_detector, elsewhere)["pointing"] == 0.0
