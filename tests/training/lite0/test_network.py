"""EfficientNet-Lite0: its numbers are those of an independent forward pass in NumPy."""

import numpy as np
import pytest

from spinefrac.training import shipped_weights
from spinefrac.training.lite0 import network

SIZE = 48  # sides of 48 to 6 and, at last, of 3
#: Sums of the absolute features after each stage, see the test that uses them.
ORIGINAL_SUMS = [47998.706, 30110.442, 12161.491, 5606.375]


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """A bright ring and a bar, shape (SIZE, SIZE)."""
    y, x = np.mgrid[:SIZE, :SIZE]
    ring = np.abs(np.hypot(y - 20, x - 26) - 13) < 3
    return np.where(ring | (np.abs(x - y) < 2), 220.0, 40.0) + y / 2


def convolve(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int) -> np.ndarray:
    """Convolve (h, w, in) with (k, k, in, out), padded as TensorFlow's ``same``."""
    side, k = x.shape[0], kernel.shape[0]
    out = -(-side // stride)
    pad = max((out - 1) * stride + k - side, 0)
    padded = np.pad(x, ((pad // 2, pad - pad // 2), (pad // 2, pad - pad // 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (k, k), (0, 1))[::stride, ::stride]
    return np.einsum("hwcij,ijco->hwo", windows[:out, :out], kernel) + bias


def forward(image: np.ndarray) -> list[np.ndarray]:
    """Return the feature map of every stage, from the shipped arrays alone."""
    arrays = iter(shipped_weights.read_weights(network.WEIGHTS))

    def apply(x: np.ndarray, stride: int = 1, depthwise: bool = False) -> np.ndarray:
        kernel, bias = next(arrays), next(arrays)
        if depthwise:
            kernel = kernel * np.eye(kernel.shape[2])[None, None]
        return convolve(x, kernel, bias, stride)

    x, maps = np.clip(apply((image[..., None] - 127) / 128, 2), 0, 6), []
    for stage in network.STAGES:
        for block in range(stage.blocks):
            y = np.clip(apply(x), 0, 6) if stage.expansion > 1 else x
            y = np.clip(apply(y, 1 if block else stage.stride, depthwise=True), 0, 6)
            y = apply(y)
            x = x + y if block else y
        maps.append(x)
    assert next(arrays, None) is None
    return maps


def test_the_feature_map_is_that_of_a_forward_pass_in_numpy(image):
    model = network.build_lite0(SIZE)
    found = np.asarray(model(image[None, ..., None].astype(np.float32)))[0]
    expected = forward(image)[-1]
    assert found.shape == expected.shape == (3, 3, 80)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_every_stage_gives_what_the_original_weights_gave(image):
    """Sums of the original network in RGB, with batch normalisation, before the conversion."""
    sums = [float(np.abs(features).sum()) for features in forward(image)]
    assert sums == pytest.approx(ORIGINAL_SUMS, rel=1e-4)


def test_it_is_frozen_and_takes_a_grey_slice():
    model = network.build_lite0(224)
    assert not model.trainable_variables
    assert model.input_shape[1:] == (224, 224, 1) and model.output_shape[1:] == (14, 14, 80)
