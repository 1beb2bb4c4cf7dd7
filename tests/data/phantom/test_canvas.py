"""A raster in millimetres: shapes have their size and place, whatever the size of a pixel."""

import numpy as np
import pytest

from spinefrac.data.phantom.canvas import Canvas, catmull_rom, ellipse, mirror, resample_path


@pytest.mark.parametrize("pixel", [0.1, 0.25, 0.5])
def test_areas_are_in_millimetres(pixel):
    canvas = Canvas.from_extent(-30, -20, 30, 20, pixel)
    assert (canvas.height, canvas.width) == (round(40 / pixel), round(60 / pixel))
    area = canvas.polygon_mask(ellipse(5, 2, 12, 8)).sum() * canvas.pixel_size_mm**2
    assert area == pytest.approx(np.pi * 12 * 8, rel=0.06)  # border pixels are filled


def test_points_lie_where_the_extent_says():
    canvas = Canvas.from_extent(-10, -20, 10, 20, 0.5)
    np.testing.assert_allclose(canvas.to_pixels([(-10, -20), (0, 0)]), [(0, 0), (20, 40)])


def test_one_canvas_maps_to_another():
    fine, coarse = (Canvas.from_extent(-10, -10, 10, 10, pixel) for pixel in (0.1, 0.4))
    matrix = fine.transform_to(coarse)
    column, row = fine.to_pixels([(3, -4)])[0]
    np.testing.assert_allclose(matrix @ [column, row, 1], coarse.to_pixels([(3, -4)])[0])


def test_noise_is_smooth_and_reproducible():
    canvas = Canvas.from_extent(0, 0, 40, 40, 0.5)
    one, again = (canvas.smooth_noise(np.random.default_rng(3), 4.0) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert np.abs(np.diff(one, axis=0)).mean() < 0.3 * one.std()


def test_curves():
    square = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    curve = catmull_rom(square, 10)
    assert len(curve) == 40
    assert all(np.abs(curve - corner).sum(axis=1).min() < 1e-9 for corner in square)
    np.testing.assert_array_equal(mirror(np.array([(2.0, 3.0)])), [(-2.0, 3.0)])
    steps = np.linalg.norm(np.diff(resample_path([(0, 0), (1, 0), (1, 9)], 21), axis=0), axis=1)
    np.testing.assert_allclose(steps[1:-1].std(), 0, atol=0.1)
