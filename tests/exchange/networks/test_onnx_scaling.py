"""A network that scales its input in another shape gives the very same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from spinefrac.exchange.networks import onnx_scaling

SIDE = 6


def write_network(path: Path, *nodes: onnx.NodeProto, output: str, channels_last: bool) -> Path:
    """Write a network with the constants that the nodes of these tests use."""
    constants = {
        "scalar": np.float32(1 / 255),
        "four_ones": np.full((1, 1, 1, 1), -0.5, np.float32),
        "columns": np.arange(SIDE, dtype=np.float32).reshape(1, 1, SIDE, 1),
        "kernel": np.random.default_rng(0).normal(size=(2, 1, 3, 3)).astype(np.float32),
    }
    shape = ["N", SIDE, SIDE, 1] if channels_last else ["N", None, None, None]
    graph = helper.make_graph(
        list(nodes),
        "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", SIDE, SIDE, 1])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def run(path: Path) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    images = np.random.default_rng(1).uniform(0, 255, (3, SIDE, SIDE, 1)).astype(np.float32)
    return session.run(None, {"image": images})[0]


def test_a_chain_of_scaling_before_a_convolution(tmp_path: Path) -> None:
    path = write_network(
        tmp_path / "network.onnx",
        helper.make_node("Mul", ["image", "scalar"], ["scaled"]),
        helper.make_node("Add", ["four_ones", "scaled"], ["centred"]),
        helper.make_node("Transpose", ["centred"], ["first"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["first", "kernel"], ["maps"]),
        output="maps",
        channels_last=False,
    )
    expected = run(path)
    assert onnx_scaling.scale_without_channel(path) == 2
    np.testing.assert_array_equal(run(path), expected)
    operators = [node.op_type for node in onnx.load(path).graph.node]
    assert operators == ["Reshape", "Mul", "Add", "Reshape", "Transpose", "Conv"]


def test_an_output_that_is_scaled_itself_keeps_its_shape(tmp_path: Path) -> None:
    path = write_network(
        tmp_path / "network.onnx",
        helper.make_node("Sub", ["four_ones", "image"], ["turned"]),
        helper.make_node("Add", ["turned", "columns"], ["sloped"]),
        output="sloped",
        channels_last=True,
    )
    expected = run(path)
    assert onnx_scaling.scale_without_channel(path) == 1
    np.testing.assert_array_equal(run(path), expected)


def test_a_network_without_scaling_stays_as_it_is(tmp_path: Path) -> None:
    path = write_network(
        tmp_path / "network.onnx",
        helper.make_node("Add", ["image", "columns"], ["sloped"]),
        output="sloped",
        channels_last=True,
    )
    before = path.read_bytes()
    assert onnx_scaling.scale_without_channel(path) == 0
    assert path.read_bytes() == before
