"""The networks: what they take and give, and that the heat map adds up to the logit."""

import urllib.request

import numpy as np
import pytest

from spinefrac.errors import TrainingError
from spinefrac.training import heads, networks
from spinefrac.training.settings import NETWORKS


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (3, 64, 64, 1)).astype(np.float32)


@pytest.mark.parametrize("name", ["compact", "compact_lite0", "mobilenet_v3_small"])
def test_the_heatmap_adds_up_to_the_logit(name, images):
    model = networks.build_network(name, 64, seed=1)
    dense = model.get_layer("logit")
    kernel, bias = dense.get_weights()
    kernel = kernel + np.random.default_rng(1).normal(0, 0.1, kernel.shape)
    dense.set_weights([kernel, bias + 0.7])
    logit, heatmap = heads.add_heatmap_output(model).predict_on_batch(images)
    assert logit.shape == (3, 1) and heatmap.ndim == 3
    assert np.allclose(heatmap.sum(axis=(1, 2)) + 0.7, logit[:, 0], atol=1e-4)
    assert np.allclose(logit, model.predict_on_batch(images), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS[4:])
def test_the_large_ones_add_up_too(name, images):
    test_the_heatmap_adds_up_to_the_logit(name, images)


def test_none_is_random_and_spine_is_not():
    first, again = (networks.build_network("compact", 32, "none", seed=1) for _ in range(2))
    spine = [networks.build_network("compact", 32, "spine", seed=seed) for seed in (1, 2)]
    assert np.array_equal(first.get_weights()[0], again.get_weights()[0])
    assert np.array_equal(spine[0].get_weights()[0], spine[1].get_weights()[0])
    assert not np.array_equal(first.get_weights()[0], spine[0].get_weights()[0])


def test_the_same_seed_gives_the_same_weights():
    first, again, other = (networks.build_network("compact", 32, seed=seed) for seed in (4, 4, 5))
    pairs = list(zip(first.get_weights(), again.get_weights(), strict=True))
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])


def test_fused_normalisation_trains_like_the_portable_one(images):
    import keras

    fast = networks.build_network("compact", 64, seed=2, fused_batch_norm=True)
    portable = networks.build_network("compact", 64)
    portable.set_weights(fast.get_weights())
    labels = np.array([[0.0], [1.0], [1.0]], np.float32)
    losses = []
    for model in (fast, portable):
        model.compile(keras.optimizers.SGD(1e-3), keras.losses.BinaryCrossentropy(True))
        losses.append([float(model.train_on_batch(images, labels)) for _ in range(3)])
    assert np.allclose(*losses, rtol=1e-3)
    for a, b in zip(fast.get_weights(), portable.get_weights(), strict=True):
        assert np.allclose(a, b, atol=5e-3)


def test_weights_of_a_file(tmp_path):
    trained = networks.build_network("compact", 32, seed=3)
    trained.save_weights(tmp_path / "start.weights.h5")
    for fused in (False, True):
        model = networks.build_network(
            "compact", 32, str(tmp_path / "start.weights.h5"), fused_batch_norm=fused
        )
        for own, saved in zip(model.get_weights(), trained.get_weights(), strict=True):
            assert np.array_equal(own, saved)


def test_the_joined_network_begins_with_the_weights_of_both_and_is_read_back(tmp_path):
    joined = networks.build_network("compact_lite0", 60, "spine", seed=1)
    joined.save_weights(tmp_path / "joined.weights.h5")
    for part, alone in (("compact", "spine"), ("lite0", "imagenet")):
        own = joined.get_layer(part).get_weights()
        others = networks.build_network(part, 60, alone).get_weights()
        assert all(np.array_equal(a, b) for a, b in zip(own, others, strict=False))
    # Only head and compact learn; the head's two arrays and those of compact are of `joined`.
    learning = joined.get_layer("compact").trainable_variables
    assert len(joined.trainable_variables) == len(learning) + 2
    again = networks.build_network("compact_lite0", 60)
    again.load_weights(tmp_path / "joined.weights.h5")
    pairs = zip(joined.get_weights(), again.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_weights_of_a_backbone_alone(tmp_path):
    import keras

    # As keras.applications itself would save them where there is internet access.
    backbone = keras.applications.MobileNetV3Small(
        include_top=False, weights=None, input_shape=(64, 64, 3), include_preprocessing=False
    )
    backbone.save_weights(tmp_path / "backbone.weights.h5")
    model = networks.build_network("mobilenet_v3_small", 64, str(tmp_path / "backbone.weights.h5"))
    expected = backbone.get_layer("conv").get_weights()[0]
    assert np.array_equal(model.get_layer("conv").get_weights()[0], expected)


@pytest.mark.parametrize(
    ("name", "weights", "said"),
    [
        ("compact", "imagenet", "has no weights named 'imagenet'; choose spine, none or a"),
        ("compact", "missing.weights.h5", "no weights file missing.weights.h5"),
        ("resnet50", "spine", "'resnet50' has no weights named 'spine'; choose none, imagenet"),
        ("vgg", None, "unknown network 'vgg'; choose one of compact"),
    ],
)
def test_what_cannot_be_built_is_named(name, weights, said):
    with pytest.raises(TrainingError, match=said):
        networks.build_network(name, 32, weights)


def test_weights_of_another_network_are_refused(tmp_path):
    networks.build_network("compact", 32).save_weights(tmp_path / "compact.weights.h5")
    with pytest.raises(TrainingError, match="do not fit the network 'mobilenet_v3_small'"):
        networks.build_network("mobilenet_v3_small", 32, str(tmp_path / "compact.weights.h5"))


def test_imagenet_weights_that_cannot_be_fetched(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody answers there
    # urllib keeps the proxies of its first request for the whole process.
    monkeypatch.setattr(urllib.request, "_opener", None)
    with pytest.raises(TrainingError, match="copy that file here and name it as the weights"):
        networks.build_network("mobilenet_v3_small", 64, weights="imagenet")


@pytest.mark.parametrize("training", [True, False])
def test_the_fused_batch_normalization_is_that_of_keras(training):
    """Outputs, gradients and moving statistics, after two batches."""
    import keras
    import tensorflow as tf

    images = np.random.default_rng(0).normal(2, 3, (4, 7, 6, 5)).astype(np.float32)
    found = []
    for layer_class in (
        networks._make_fused_batch_normalization(),
        keras.layers.BatchNormalization,
    ):
        layer = layer_class()
        layer(images, training=True)
        inputs = tf.constant(images)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=training)
            loss = tf.reduce_sum(outputs**3)
        weights = [variable.value for variable in layer.trainable_variables]
        found.append([outputs, *tape.gradient(loss, [inputs, *weights]), *layer.get_weights()])
    for fused, expected in zip(*found, strict=True):
        np.testing.assert_allclose(fused, expected, rtol=1e-4, atol=1e-4)
