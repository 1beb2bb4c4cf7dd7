"""Features for the input check: which maps they come from, and what they are."""

import numpy as np
import pytest

from spinefrac.exchange import ensemble
from spinefrac.exchange.networks import feature_outputs
from spinefrac.training import heads


def backbone(name: str, channels: int, seed: int = 0):
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    image = keras.Input((32, 32, 1), name="image")
    x = image
    for depth in range(3):  # maps of 16, 8 and 4 pixels
        x = layers.Conv2D(channels + depth, 3, strides=2, padding="same")(x)
        x = layers.ReLU()(x)
    return keras.Model(image, x, name=name)


def network(seed: int, shared=None):
    import keras

    image = keras.Input((32, 32, 1), name="image")
    inner = shared or backbone("flat", 4, seed)
    if shared is None:
        image, maps = inner.input, {heads.FEATURES: inner.output}
    else:
        maps = {heads.FEATURES: inner(image)}
    keras.utils.set_random_seed(seed + 1)
    return heads.add_heatmap_output(keras.Model(image, heads.build_head(maps), name="small"))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 1)).astype(np.float32)


def describe(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values.mean(axis=(1, 2)), values.std(axis=(1, 2))], axis=1)


def test_maps_are_the_last_at_each_coarse_resolution() -> None:
    found = feature_outputs.list_maps(backbone("b", 4))
    assert [tuple(one.shape[1:]) for one in found] == [(8, 8, 5), (4, 4, 6)]
    assert all("re_lu" in one._keras_history.operation.name for one in found)


def test_maps_that_are_too_wide_are_passed_over() -> None:
    wide = feature_outputs.MAX_CHANNELS
    found = feature_outputs.list_maps(backbone("b", wide - 1))
    assert [one.shape[3] for one in found] == [wide]


def test_a_shared_backbone_gives_features_once_and_the_same_logits(images) -> None:
    shared = backbone("lite", 4)
    folds = [network(seed, shared) for seed in range(2)]
    source = ensemble.feature_source(folds)
    assert (source.sizes, source.is_shared) == ((10, 12), True)
    serving = ensemble.build_serving_model(folds)
    found = {name: np.asarray(value) for name, value in serving(images).items()}
    maps = [np.asarray(one) for one in shared(images)]
    np.testing.assert_allclose(found["features"][:, 10:], describe(np.stack(maps)), atol=1e-3)
    for index, fold in enumerate(folds):
        np.testing.assert_allclose(found["logits"][:, [index]], fold(images)[0], atol=1e-4)


def test_folds_with_backbones_of_their_own_give_those_of_the_first(images) -> None:
    import keras

    folds = [network(seed) for seed in (0, 10)]
    source = ensemble.feature_source(folds)
    assert (source.sizes, source.is_shared) == ((10, 12), False)
    found = ensemble.build_serving_model(folds)(images)
    last = keras.Model(folds[0].input, folds[0].get_layer(heads.FEATURES).output)(images)
    np.testing.assert_allclose(
        np.asarray(found["features"])[:, 10:], describe(np.asarray(last)), atol=1e-3
    )
    np.testing.assert_allclose(np.asarray(found["logits"])[:, [1]], folds[1](images)[0], atol=1e-4)


def test_the_network_of_other_tests_is_too_shallow_for_features(images, tiny) -> None:
    folds = tiny.fold_models()
    assert ensemble.feature_source(folds).sizes == ()
    assert set(ensemble.build_serving_model(folds)(images)) == {"logits", "heatmaps"}
