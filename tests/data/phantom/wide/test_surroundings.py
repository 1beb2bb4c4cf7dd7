"""What lies around is painted outside the vertebra's own raster as inside, in HU."""

import numpy as np
import pytest

from spinefrac.data.phantom.anatomy import Region
from spinefrac.data.phantom.canvas import Canvas
from spinefrac.data.phantom.wide.surroundings import add_surroundings
from tests.data.phantom.wide.conftest import sample_anatomy


@pytest.mark.parametrize("region", [Region.CERVICAL, Region.LUMBAR])
def test_calcium_and_metal_appear_in_some_slices(region):
    canvas = Canvas.from_extent(-120, -120, 120, 120, 0.8)
    anatomy = sample_anatomy(region)
    dense = []
    for seed in range(10):
        image = np.full((canvas.height, canvas.width), 40, np.float32)
        image[:40] = -1000
        add_surroundings(image, canvas, anatomy, np.random.default_rng(seed))
        dense.append((image > 200).sum())
        assert np.isfinite(image).all() and 35 < np.median(image[60:]) < 46
    assert np.count_nonzero(dense) > 0 and min(dense) < max(dense)
