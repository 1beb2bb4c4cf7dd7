"""A network as PyTorch exports it, written node by node, for the tests of what comes and goes."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

SIDE = 32


def onnx_network(units=2, end="Softmax", batch="N", channels_first=True, extra=()):
    """A network as PyTorch exports it: channels first, mean over the picture, dense, softmax."""
    rng = np.random.default_rng(7)
    weights = {
        "kernel": rng.normal(0, 0.5, (4, 3, 5, 5)).astype(np.float32),
        "dense": rng.normal(0, 12, (4, units)).astype(np.float32),
        "bias": rng.normal(0, 0.3, units).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["picture", "kernel"], ["maps"]),
        helper.make_node("Relu", ["maps"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense", "bias"], ["scores"]),
        *extra,
        helper.make_node(end, ["scores"], ["answer"]),
    ]
    shape = [batch, 3, SIDE, SIDE] if channels_first else [batch, SIDE, SIDE, 3]
    graph = helper.make_graph(
        nodes,
        "torch",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [batch, units])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
