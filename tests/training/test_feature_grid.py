"""The grid of a feature map: what lies in a cell, and the logit that it begins with."""

import numpy as np
import pytest

from spinefrac.training import feature_grid


@pytest.mark.parametrize(("side", "cells"), [(32, 16), (33, 17), (65, 33), (96, 48)])
def test_a_cell_of_the_grid_is_set_where_it_holds_any_of_the_line(side, cells):
    mask = np.zeros((side, side), np.uint8)
    mask[0, 0] = mask[side - 1, side - 1] = mask[7, 20] = 1
    grid = feature_grid.downsample_map(mask, (cells, cells))
    assert grid.shape == (cells, cells) and grid.sum() == 3
    assert grid[0, 0] == grid[-1, -1] == grid[3, 10] == 1


def test_a_cell_holds_its_largest_value():
    places = np.zeros((8, 8), np.uint8)
    places[2, 5], places[3, 4] = 3, 7
    grid = feature_grid.downsample_map(places, (4, 4))
    assert grid[1, 2] == 7 and grid.sum() == 7


def test_a_cell_begins_as_rarely_fractured():
    layer = feature_grid.build_cell_layer("cells")
    features = np.zeros((2, 5, 4, 3), np.float32)
    assert np.array_equal(np.asarray(layer(features)), np.full((2, 5, 4, 1), -4, np.float32))
