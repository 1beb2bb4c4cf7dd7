"""The part of a network for tables: the same numbers as the whole, in less work."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from spinefrac.inference import predictor
from spinefrac.inference.predictor import Predictor
from spinefrac.inference.probability_graph import extract_outputs
from spinefrac.records import CtSlice
from spinefrac.store import repository

OUTPUTS = ["logits", "features"]


@pytest.fixture(scope="module")
def demo():
    return repository.load("phantom-demo")


def run(content, images):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(OUTPUTS, {"image": images})


def test_outputs_are_those_of_the_whole_to_the_last_bit(demo):
    whole = demo.read_file(repository.ONNX_FILE)
    part = extract_outputs(whole, OUTPUTS)
    rng = np.random.default_rng(0)
    for count in (1, 3):
        images = rng.integers(0, 256, (count, 224, 224, 1)).astype(np.float32)
        for found, expected in zip(run(part, images), run(whole, images), strict=True):
            assert np.array_equal(found, expected)


def test_the_maps_are_gone_and_the_arithmetic_has_its_channel_first(demo):
    whole = onnx.load_model_from_string(demo.read_file(repository.ONNX_FILE))
    part = onnx.load_model_from_string(extract_outputs(whole.SerializeToString(), OUTPUTS))
    assert len(part.graph.node) < 0.7 * len(whole.graph.node)
    onnx.checker.check_model(part)
    readers = [node for node in part.graph.node if "image" in node.input]
    assert [node.op_type for node in readers] == ["Reshape"]


def test_a_network_that_begins_otherwise_keeps_its_shapes():
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, 4, 4, 1])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None, 1])
    nodes = [
        helper.make_node("ReduceMax", ["image"], ["top"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceMean", ["top"], ["logits"], axes=[1], keepdims=1),
    ]
    graph = helper.make_graph(nodes, "other", [image], [logits])
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    ).SerializeToString()
    assert (
        "image"
        in onnx.load_model_from_string(extract_outputs(model, ["logits"])).graph.node[0].input
    )


def test_many_slices_without_heat_maps_are_predicted_as_before(demo, monkeypatch):
    monkeypatch.setattr(predictor, "_MANY_SLICES", 2)
    opened = Predictor(demo)
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (5, 96, 96)).astype(np.float32)
    slices = [CtSlice(one, calibrated=False, format="png") for one in pixels]
    found = [opened.predict(ct, heatmap=False) for ct in slices]
    for one, expected in zip(found, map(opened.predict, slices), strict=True):
        assert one.heatmap is None
        assert one.fold_probabilities == expected.fold_probabilities
        assert one.input_check == expected.input_check


def test_a_graph_that_cannot_be_cut_is_run_whole(demo, monkeypatch):
    monkeypatch.setattr(predictor, "_MANY_SLICES", 0)
    monkeypatch.setattr(predictor, "extract_outputs", lambda *_: b"no graph")
    ct = CtSlice(np.zeros((64, 64), np.float32), calibrated=False, format="png")
    opened = Predictor(demo)
    assert opened.predict(ct, heatmap=False).probability == opened.predict(ct).probability
