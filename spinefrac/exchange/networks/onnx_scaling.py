"""Exported networks that scale their input fast.

ONNX Runtime multiplies and adds a constant forty times slower where the last dimension is 1, as the
channel of an image (N, S, S, 1) is. A network does that to its input several times, which takes a
sixth of a prediction. The same numbers as (N, S, S) take no time.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

#: Operators that treat every element alike.
_ELEMENTWISE = frozenset({"Mul", "Add", "Sub", "Div"})
_FLAT, _WHOLE = "_without_channel", "_with_channel"


def scale_without_channel(path: Path) -> int:
    """Have a network scale its input ``image`` (N, S, S, 1) as (N, S, S), in place.

    Parameters
    ----------
    path : Path
        An ONNX file.

    Returns
    -------
    int
        Operations that were changed; 0 leaves the file as it is.
    """
    import onnx

    model = onnx.load(path)
    changed = _change_graph(model.graph)
    if changed:
        onnx.checker.check_model(model)
        onnx.save(model, path)
    return changed


def _change_graph(graph: onnx.GraphProto) -> int:
    """Change what scales the input by constants, in a chain from the input on; count it."""
    from onnx import helper, numpy_helper

    constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    image = graph.input[0].name
    flat = {image: image + _FLAT}  # by the name of what it stands for
    nodes = [helper.make_node("Reshape", [image, _FLAT], [flat[image]])]
    for node in graph.node:  # which are in the order of their computation
        given = [name for name in node.input if name in flat]
        scalars = [name for name in node.input if name in constants and constants[name].size == 1]
        if node.op_type not in _ELEMENTWISE or len(given) != 1 or len(scalars) != 1:
            nodes.append(node)
            continue
        output = node.output[0]
        flat[output] = output + _FLAT
        constant = constants[scalars[0]].reshape(())  # (1, 1, 1, 1) would add a dimension
        graph.initializer.append(numpy_helper.from_array(constant, flat[output] + "_constant"))
        names = {given[0]: flat[given[0]], scalars[0]: flat[output] + "_constant"}
        inputs = [names[name] for name in node.input]
        nodes.append(helper.make_node(node.op_type, inputs, [flat[output]]))
        nodes.append(helper.make_node("Reshape", [flat[output], _WHOLE], [output]))
    changed = len(flat) - 1
    if changed:
        used = {name for node in nodes for name in node.input} | {one.name for one in graph.output}
        del graph.node[:]
        graph.node.extend(node for node in nodes if used.intersection(node.output))
        _add_shapes(graph)
    return changed


def _add_shapes(graph: onnx.GraphProto) -> None:
    """Add the shapes of `Reshape`; 0 stands for the dimension that is there."""
    import numpy as np
    from onnx import numpy_helper

    shapes = {_FLAT: [0, 0, 0], _WHOLE: [0, 0, 0, 1]}
    graph.initializer.extend(
        numpy_helper.from_array(np.array(shape, np.int64), name) for name, shape in shapes.items()
    )
