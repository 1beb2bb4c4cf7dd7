"""ONNX files from elsewhere are checked, then get this package's input and output."""

import sys

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from spinefrac.errors import ModelError
from spinefrac.exchange import import_model, io_spec, onnx_import
from spinefrac.exchange.io_spec import DeclaredIO
from spinefrac.system.resource_limits import ResourceLimits
from tests.support.onnx_network import SIDE, onnx_network

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits")


@pytest.mark.parametrize("positive_class", [0, 1])
@pytest.mark.parametrize("batch", ["N", 1])
def test_an_onnx_network_answers_as_where_it_comes_from(
    own_home, tmp_path, positive_class, batch, predict_slices, images
):
    import onnxruntime

    content = onnx_network(batch=batch).SerializeToString()
    (tmp_path / "net.onnx").write_bytes(content)
    given = DeclaredIO(scale="0..1", positive_class=positive_class)
    model = import_model.import_file(tmp_path / "net.onnx", user_io=given)
    session = onnxruntime.InferenceSession(content)
    greys = np.repeat(images.transpose(0, 3, 1, 2) / 255, 3, axis=1).astype(np.float32)
    expected = [session.run(None, {"picture": one[None]})[0][0, positive_class] for one in greys]
    assert np.ptp(expected) > 0.005
    np.testing.assert_allclose(predict_slices("net"), expected, atol=1e-5)
    assert model.card.origin.recognised == ("size", "channels", "output")
    with pytest.raises(ModelError, match="imported from ONNX and has no Keras file"):
        _ = model.keras_path


def test_one_value_of_an_onnx_network(own_home, tmp_path, predict_slices):
    (tmp_path / "net.onnx").write_bytes(onnx_network(1, "Sigmoid").SerializeToString())
    both = [
        import_model.import_file(
            tmp_path / "net.onnx", f"n{c}", user_io=DeclaredIO(scale="0..1", positive_class=c)
        )
        for c in (0, 1)
    ]
    first, second = (predict_slices(model.id) for model in both)
    np.testing.assert_allclose(first, 1 - second, atol=1e-6)


def hostile_onnx(kind):
    if kind == "loop":
        body = helper.make_graph(
            [helper.make_node("Identity", ["going"], ["still"])],
            "body",
            [
                helper.make_tensor_value_info("i", TensorProto.INT64, []),
                helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            ],
            [helper.make_tensor_value_info("still", TensorProto.BOOL, [])],
        )
        return onnx_network(extra=[helper.make_node("Loop", ["", ""], [], body=body)])
    if kind == "chance":
        node = helper.make_node("RandomNormalLike", ["scores"], ["noise"])
        return onnx_network(extra=[node])
    if kind == "own-operator":
        node = helper.make_node("Run", ["scores"], ["ran"], domain="com.somebody")
        model = onnx_network(extra=[node])
        model.opset_import.append(helper.make_opsetid("com.somebody", 1))
        return model
    if kind == "memory":
        nodes = [
            helper.make_node(
                "Constant",
                [],
                ["often"],
                value=numpy_helper.from_array(np.array([18_000, 18_000], np.int64)),
            ),
            helper.make_node("Tile", ["scores", "often"], ["vast"]),
            helper.make_node("ReduceMax", ["vast"], ["most"], keepdims=1),
            helper.make_node("Add", ["scores", "most"], ["sum"]),
        ]
        model = onnx_network(extra=nodes)
        model.graph.node[-1].input[0] = "sum"
        return model
    model = onnx_network()
    tensor = model.graph.initializer[0]
    if kind == "external":
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../../../etc/passwd")
    if kind == "claimed":
        tensor.dims[0] = 1 << 40
    if kind == "five-classes":
        return onnx_network(units=5)
    return model


@posix_only
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("loop", "operator Loop"),
        ("chance", "operator RandomNormalLike"),
        ("own-operator", "operators of com.somebody"),
        ("memory", "needs more than the 2048 MiB of memory"),
        ("external", "weights from other files"),
        ("claimed", "MiB of weights"),
        ("five-classes", "returns 5 values for a slice"),
    ],
)
def test_a_hostile_onnx_file_is_refused(own_home, tmp_path, kind, message, nothing_left):
    (tmp_path / "bad.onnx").write_bytes(hostile_onnx(kind).SerializeToString())
    given = DeclaredIO(scale="0..1", positive_class=1)
    limits = ResourceLimits(memory_mib=2048)
    with pytest.raises(ModelError, match=message):
        import_model.import_file(tmp_path / "bad.onnx", user_io=given, limits=limits)
    assert nothing_left(own_home)


@pytest.mark.parametrize("channels_first", [True, False])
@pytest.mark.parametrize(
    ("units", "end", "output"), [(2, "Softmax", "softmax"), (1, "Sigmoid", "sigmoid")]
)
def test_input_and_output_are_read_from_the_file(tmp_path, channels_first, units, end, output):
    path = tmp_path / "network.onnx"
    model = onnx_network(units, end, channels_first=channels_first)
    if not channels_first:
        move = helper.make_node("Transpose", ["picture"], ["first"], perm=[0, 3, 1, 2])
        model.graph.node[0].input[0] = "first"
        model.graph.node.insert(0, move)
    path.write_bytes(model.SerializeToString())
    network = onnx_import.load_network(path)
    assert network.file_io == DeclaredIO(size=SIDE, channels=3, output=output)
    assert network.channels_last is not channels_first
    assert (network.input, network.units, network.logits_tensor) == ("picture", units, "scores")


def test_the_serving_file_of_a_saved_model_is_named(tmp_path, small):
    """Its outputs are not those of a classifier: the user is pointed to the ZIP."""
    model = onnx_network()
    model.graph.output[0].name = "logits"
    model.graph.node[-1].output[0] = "logits"
    model.graph.output.append(
        helper.make_tensor_value_info("heatmaps", TensorProto.FLOAT, ["N", 4, 28, 28])
    )
    model.graph.node[1].output[0] = "heatmaps"
    model.graph.node[2].input[0] = "heatmaps"
    path = tmp_path / "serving.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="import that model's ZIP instead"):
        onnx_import.load_network(path)


def test_weights_among_the_inputs_are_wrapped(tmp_path):
    """As before IR version 4, when every initializer had to be an input too."""
    import onnx

    model = onnx_network(1, "Sigmoid")
    for tensor in model.graph.initializer:
        info = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        model.graph.input.append(info)
    model.ir_version = 3
    (tmp_path / "old.onnx").write_bytes(model.SerializeToString())
    network = onnx_import.load_network(tmp_path / "old.onnx")
    declared = DeclaredIO(scale="0..1", positive_class=1)
    spec = io_spec.resolve(network.file_io, network.units, declared)
    onnx_import.wrap_network(network, spec, tmp_path / "serving.onnx")
    assert onnx.load(tmp_path / "serving.onnx").ir_version >= 4
