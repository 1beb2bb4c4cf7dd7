"""The head: the heat map adds up to the logit, for one feature map and for several."""

import numpy as np
import pytest

from spinefrac.errors import TrainingError
from spinefrac.training import heads


def build(sides: dict[str, int], size: int = 32):
    """A network that pools maps with `sides` cells along a side."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(4)
    image = keras.Input((size, size, 1), name="image")
    maps = {}
    for number, (name, side) in enumerate(sides.items()):
        x = layers.Resizing(side, side)(image)
        maps[name] = layers.Conv2D(2 + number, 3, padding="same", activation="relu")(x)
    model = keras.Model(image, heads.build_head(maps), name="two")
    kernel, bias = model.get_layer("logit").get_weights()
    model.get_layer("logit").set_weights([kernel, bias + 0.7])
    return model


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 1)).astype(np.float32)


@pytest.mark.parametrize("coarse", [16, 8, 4, 3])
def test_the_maps_of_several_grids_add_up_to_the_logit(coarse, images):
    model = build({"features_coarse": coarse, "features": 16})
    logit, heatmap = heads.add_heatmap_output(model).predict_on_batch(images)
    assert heatmap.shape == (3, 16, 16)
    assert np.allclose(heatmap.sum(axis=(1, 2)) + 0.7, logit[:, 0], atol=1e-4)


def test_a_coarse_cell_is_spread_evenly_over_the_cells_that_it_covers(images):
    model = build({"features_coarse": 3, "features": 16})
    dense = model.get_layer("logit")
    kernel, bias = dense.get_weights()
    kernel[4:] = 0  # of the finer map: 3 averages and 3 maxima
    dense.set_weights([kernel, bias])
    _, heatmap = heads.add_heatmap_output(model).predict_on_batch(images)
    assert np.ptp(heatmap[0, :6, :6]) < 1e-6 < np.ptp(heatmap[0])
    assert np.ptp(heatmap[0, 12:, 12:]) < 1e-6  # 4 cells are left of the side of 16


def test_grids_that_do_not_fit_are_refused():
    with pytest.raises(TrainingError, match="multiple of 16"):
        heads.add_heatmap_output(build({"features_coarse": 7, "features": 16}))


def test_the_maps_are_listed_in_the_order_of_the_head(images):
    model = build({"features_coarse": 4, "features": 16})
    assert [tuple(m.shape[1:]) for m in heads.list_feature_maps(model)] == [(4, 4, 2), (16, 16, 3)]
