"""The part of a serving network that gives probabilities, without the heat maps: for tables.

ONNX Runtime computes every output of a graph, whichever are wanted, and takes a third of its time
for what a table of many slices does not show.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

#: Axes of a transposed picture, with the channel last as the networks take it, and first.
_TRANSPOSED_LAST, _TRANSPOSED_FIRST = [0, 2, 1, 3], [0, 1, 3, 2]


def extract_outputs(content: bytes, outputs: Sequence[str]) -> bytes:
    """Return the graph that computes some of a serving network's outputs, bit by bit the same.

    Parameters
    ----------
    content : bytes
        ``serving.onnx``.
    outputs : sequence of str
    """
    import onnx
    import onnx.utils

    model = onnx.load_model_from_string(content)
    part = onnx.utils.Extractor(model).extract_model(["image"], list(outputs))
    _put_channel_first(part.graph)
    return bytes(part.SerializeToString())


def _put_channel_first(graph: onnx.GraphProto) -> None:
    """Give the arithmetic before the first convolution (N, 1, S, S) in place of (N, S, S, 1).

    ONNX Runtime takes twenty times as long for a scalar times an array whose last axis is 1.
    Nothing is changed where something else than scaling and transposing comes before the reshape.
    """
    from onnx import helper, numpy_helper

    constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    side = graph.input[0].type.tensor_type.shape.dim[1].dim_value
    first, inside, transposed = {"image"}, [], []
    for node in graph.node:  # in the order of the computation
        if not first & set(node.input):
            continue
        others = [constants.get(name) for name in node.input if name not in first]
        if node.op_type in ("Mul", "Add") and all(o is not None and o.size == 1 for o in others):
            first.update(node.output)
        elif node.op_type == "Transpose" and list(node.attribute[0].ints) == _TRANSPOSED_LAST:
            first.update(node.output)
            transposed.append(node)
        elif node.op_type != "Reshape" or others[0] is None or [*others[0]] != [-1, 1, side, side]:
            return
        inside.append(node)
    for node in transposed:
        node.attribute[0].ints[:] = _TRANSPOSED_FIRST
    for node in inside:
        node.input[:] = ["image_first" if name == "image" else name for name in node.input]
    shape = numpy_helper.from_array(np.array([-1, 1, side, side]), "image_first_shape")
    graph.initializer.append(shape)
    graph.node.insert(0, helper.make_node("Reshape", ["image", shape.name], ["image_first"]))
