"""What a Keras model takes and returns, by the operations that it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from spinefrac.errors import ModelError
from spinefrac.exchange.networks import output_form
from spinefrac.exchange.networks.output_form import Node, OutputForm

if TYPE_CHECKING:
    import keras

#: Names of TensorFlow's operations where they are other ones than in `output_form.Node`.
_OPERATIONS = {
    "AddV2": "Add",
    "AddN": "Add",
    "BiasAdd": "Add",
    "Subtract": "Sub",
    "RealDiv": "Div",
    "DivNoNan": "Div",
    "ClipByValue": "Clip",
    "ConcatV2": "Concat",
    "Pack": "Concat",
    "SelectV2": "Select",
    "GatherV2": "Gather",
    "ReverseV2": "Reverse",
    "IdentityN": "Identity",
    "ReadVariableOp": "Variable",
    "VarHandleOp": "Variable",
    "Conv2D": "Conv",
    "BatchMatMulV2": "MatMul",
    "Einsum": "MatMul",
    "FusedBatchNormV3": "BatchNormalization",
}
#: Operations that move the values of an image, and leave their scale.
_MOVING = frozenset({"Identity", "Cast", "Transpose", "StridedSlice", "Reverse", "Concat", "Tile"})
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")

_found: WeakKeyDictionary[Any, OutputForm | None] = WeakKeyDictionary()


def detect_output_form(model: keras.Model) -> OutputForm | None:
    """Return whether a model gives probabilities or logits, or None where it gives neither.

    Parameters
    ----------
    model : keras.Model
        One output (N, 1) or (N, 2). It is traced once; where its activation is replaced
        afterwards, that is not seen.

    Raises
    ------
    ModelError
        It ends in a softmax over a single value.
    """
    if model not in _found:
        units = int(model.output_shape[-1])
        traced = _trace(model)
        form = output_form.detect(traced.graph, traced.output, units)
        low, _ = output_form.find_range(traced.graph, traced.output)
        if form is None and (units == 2 or np.isnan(low)):
            form = _probe(model, units)
        _found[model] = form
    return _found[model]


def require_output_form(model: keras.Model) -> OutputForm:
    """Return the form of a model's output.

    Raises
    ------
    ModelError
        It is neither a probability nor a logit.
    """
    form = detect_output_form(model)
    if form is None:
        traced = _trace(model)
        low, high = output_form.find_range(traced.graph, traced.output)
        raise ModelError(
            "Expected a model whose output is a probability of fracture or a logit, got one whose "
            f"output lies between {low:g} and {high:g}: end it with a sigmoid, with a softmax over "
            "two classes, or without an activation"
        )
    return form


def detect_input_scale(model: keras.Model) -> str | None:
    """Return ``0..255`` where a model first scales images in 0…255, else None.

    A division by a hundred or more, as in ``Rescaling(1/255)``, or the subtraction of grey values,
    as in ``preprocess_input``, is made of such images only.
    """
    traced = _trace(model)
    graph, moved = traced.graph, {traced.input}
    scales = []
    for name, node in graph.items():  # in the order in which they run
        given = [entry for entry in node.inputs if entry in moved]
        if not given or node.op == "Shape":
            continue
        if node.op in _MOVING:
            moved.add(name)
            continue
        others = [entry for entry in node.inputs if entry not in moved]
        constants = [output_form.find_source(graph, entry).value for entry in others]
        scales.append(_is_of_grey_values(node.op, constants))
    return "0..255" if scales and all(scales) else None


def _is_of_grey_values(op: str, constants: list[Any]) -> bool:
    """Whether an operation with constants is one on images in 0…255."""
    if len(constants) != 1 or constants[0] is None or constants[0].dtype.kind != "f":
        return False
    size = np.abs(constants[0])
    if op == "Mul":
        return bool((size > 0).all() and (size < 0.01).all())
    if op == "Div":
        return bool((size > 100).all())
    return op in ("Sub", "Add") and bool((size > 2).all())


@dataclass(frozen=True, slots=True)
class _Traced:
    """The operations of one prediction, and the names of its input and output."""

    graph: dict[str, Node]
    input: str
    output: str


def _trace(model: keras.Model) -> _Traced:
    """Return the operations that a model runs."""
    import tensorflow as tf

    source = model.inputs[0]
    spec = tf.TensorSpec((None, *source.shape[1:]), source.dtype)
    traced = tf.function(lambda images: model(images, training=False)).get_concrete_function(spec)
    definition = traced.graph.as_graph_def()
    functions = {entry.signature.name: entry for entry in definition.library.function}
    graph: dict[str, Node] = {}
    _add_nodes(graph, definition.node, "", functions)
    return _Traced(graph, traced.graph.inputs[0].op.name, traced.graph.outputs[0].op.name)


def _add_nodes(graph: dict[str, Node], nodes: Any, prefix: str, functions: dict[str, Any]) -> None:
    """Add operations, and those of the functions that they call, under a prefix of their own."""
    import tensorflow as tf

    for entry in nodes:
        name = prefix + entry.name
        inputs = tuple(prefix + _strip(one) for one in entry.input if not one.startswith("^"))
        called = functions.get(entry.attr["f"].func.name) if entry.op in _CALLS else None
        if called is not None and called.ret:
            inner = f"{name}/"
            for argument, given in zip(called.signature.input_arg, inputs, strict=False):
                graph[inner + argument.name] = Node("Identity", (given,))
            _add_nodes(graph, called.node_def, inner, functions)
            returned = called.ret[called.signature.output_arg[0].name]
            graph[name] = Node("Identity", (inner + _strip(returned),))
            continue
        value = tf.make_ndarray(entry.attr["value"].tensor) if entry.op == "Const" else None
        if entry.op == "ConcatV2":
            inputs = inputs[:-1]  # the last one is the axis
        graph[name] = Node(_OPERATIONS.get(entry.op, entry.op), inputs, value)


def _strip(tensor: str) -> str:
    """Return the name of the operation that a tensor such as ``name:output:0`` is of."""
    return tensor.split(":", 1)[0]


def _probe(model: keras.Model, units: int) -> OutputForm:
    """Tell the form by the values for a few images, where an operation is not known."""
    source = model.inputs[0]
    levels = np.linspace(0, 255, 8, dtype=np.float32).reshape(-1, 1, 1, 1)
    shape = [8, *(64 if size is None else size for size in source.shape[1:])]
    noise = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    images = np.concatenate([np.broadcast_to(levels, noise.shape), noise, noise / 255])
    values = np.asarray(model(images, training=False), np.float64)
    values = values[np.isfinite(values).all(axis=1)]  # exponentials of large numbers overflow
    bounded = bool(len(values) and (values >= 0).all() and (values <= 1).all())
    sums = units == 1 or bool(np.allclose(values.sum(axis=1), 1.0, atol=1e-3))
    return OutputForm(units, is_probability=bounded and sums)
