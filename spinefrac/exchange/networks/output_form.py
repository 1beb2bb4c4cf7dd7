"""Whether a network's output is a probability or a logit: by the range of what it computes.

Layers and names say little: a sigmoid may be an activation, a function, a layer of its own or part
of a nested network, with others behind it. So the bounds of the output are followed through the
operations of the graph, by interval arithmetic (Moore, "Interval analysis", 1966). An output that
cannot leave 0…1 is a probability; one without bounds is a logit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac.errors import ModelError

#: Lowest and highest value of a tensor.
Range = tuple[float, float]

#: Smallest distance of a probability to 0 and 1 before it is converted into a logit.
EPSILON = 1e-7

#: Bounds of weights that add up to one in 32 bits may pass it by so much.
_ROUNDING = 1e-6

_UNBOUNDED: Range = (-math.inf, math.inf)
_UNKNOWN: Range = (math.nan, math.nan)
_UNIT: Range = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Node:
    """The operation that computes a tensor.

    Attributes
    ----------
    op : str
        As in ONNX, but for ``Sum``, ``Mean``, ``Max`` and ``Min``, which reduce one tensor here;
        ``Maximum``, ``Minimum`` and ``Add`` take two or more.
    inputs : tuple of str
        Names of its tensors.
    value : array or None
        Of a constant.
    """

    op: str
    inputs: tuple[str, ...] = ()
    value: npt.NDArray[np.generic] | None = None


#: Operations by the name of the tensor that they compute.
Graph = Mapping[str, Node]


@dataclass(frozen=True, slots=True)
class OutputForm:
    """What a network returns for a slice.

    Attributes
    ----------
    units : int
        1, or 2 for one value a class, the second of the fracture.
    is_probability : bool
        Whether the values are probabilities, else logits.
    """

    units: int
    is_probability: bool

    @property
    def activation(self) -> str:
        """Its name in `spinefrac.exchange.io_spec.OUTPUT_ACTIVATIONS`."""
        if not self.is_probability:
            return "logits"
        return "sigmoid" if self.units == 1 else "softmax"


def detect(graph: Graph, output: str, units: int) -> OutputForm | None:
    """Return the form of an output, or None where its range is of neither.

    Parameters
    ----------
    graph : Graph
    output : str
        Name of its tensor.
    units : int
        Number of values for a slice, 1 or 2.

    Raises
    ------
    ModelError
        It is a softmax over a single value, which is always 1.
    """
    if units == 1 and find_source(graph, output).op == "Softmax":
        raise ModelError(
            "The network ends in a softmax over one value, which is 1 for every slice: end it with "
            "a sigmoid, or with two values, and train it again"
        )
    low, high = find_range(graph, output)
    if low >= -_ROUNDING and high <= 1 + _ROUNDING:
        return OutputForm(units, is_probability=True)
    # The logit of two values is their difference, so the logarithms of a softmax will do too.
    if low == -math.inf and (high == math.inf or units == 2):
        return OutputForm(units, is_probability=False)
    return None


def find_range(graph: Graph, tensor: str) -> Range:
    """Return bounds of a tensor; NaN where it depends on an operation that is not known here."""
    known: dict[str, Range] = {}
    waiting = [tensor]
    while waiting:  # no recursion: a network may be thousands of operations deep
        name = waiting[-1]
        node = graph.get(name)
        needed = _list_needed(node) if node else ()
        missing = [entry for entry in needed if entry not in known]
        if missing and not set(missing) & set(waiting):  # a loop has no bounds
            waiting += missing
            continue
        known[name] = _compute_range(node, [known.get(entry, _UNKNOWN) for entry in needed])
        waiting.pop()
    return known[tensor]


def to_logits(values: npt.ArrayLike, form: OutputForm) -> npt.NDArray[np.float64]:
    """Turn the outputs of a network (N, units) into logits of its second class, float64 (N,)."""
    outputs = np.asarray(values, np.float64).reshape(-1, form.units)
    if form.is_probability:
        clipped = np.clip(outputs, EPSILON, 1 - EPSILON)
        outputs = np.log(clipped)
        if form.units == 1:
            outputs = outputs - np.log1p(-clipped)
    return outputs[:, 0] if form.units == 1 else outputs[:, 1] - outputs[:, 0]


# --- rules -------------------------------------------------------------------------------------

#: Operations that move values and keep them, or choose or average among those of one tensor.
_SAME = frozenset({
    *("Identity", "Flatten", "Squeeze", "Unsqueeze", "ExpandDims", "Reshape", "Cast", "Dropout"),
    *("Transpose", "Slice", "StridedSlice", "Gather", "Expand", "Tile", "BroadcastTo", "Split"),
    *("Unpack", "Reverse", "StopGradient", "PreventGradient", "EnsureShape", "CheckNumerics"),
    *("Mean", "Max", "Min", "GlobalAveragePool", "GlobalMaxPool", "AveragePool", "MaxPool"),
})  # fmt: skip
#: Those of them that keep the number of values.
_RESHAPING = frozenset(
    {"Identity", "Flatten", "Squeeze", "Unsqueeze", "ExpandDims", "Reshape", "Cast", "Dropout"}
)
#: Bounds that do not depend on the input.
_FIXED: dict[str, Range] = {
    "Sigmoid": _UNIT,
    "HardSigmoid": _UNIT,
    "Softmax": _UNIT,
    "Tanh": (-1.0, 1.0),
    "Softsign": (-1.0, 1.0),
    "Erf": (-1.0, 1.0),
    "Elu": (-1.0, math.inf),
    "Selu": (-1.76, math.inf),
    "Softplus": (0.0, math.inf),
    "LogSoftmax": (-math.inf, 0.0),
    # Inputs, weights, and whatever multiplies by weights.
    **dict.fromkeys(
        ("Placeholder", "Variable", "MatMul", "Gemm", "Conv", "BatchNormalization"), _UNBOUNDED
    ),
}
#: Functions that rise.
_RISING: dict[str, Callable[[float], float]] = {
    "Relu": lambda x: max(x, 0.0),
    "Relu6": lambda x: min(max(x, 0.0), 6.0),
    "LeakyRelu": lambda x: x,  # bounds that are wider than need be
    "Exp": lambda x: math.exp(min(x, 700.0)) if x < math.inf else math.inf,
    "Log": lambda x: math.log(x) if 0 < x < math.inf else (x if x > 0 else -math.inf),
    "Sqrt": lambda x: math.sqrt(max(x, 0.0)),
}


def _list_needed(node: Node) -> tuple[str, ...]:
    """Return the inputs that a range depends on."""
    if node.op in _FIXED or node.value is not None:
        return ()
    one = node.op in _SAME or node.op in _RISING or node.op in _UNARY
    return node.inputs[:1] if one else node.inputs if node.op in _SEVERAL else ()


def _compute_range(node: Node | None, inputs: list[Range]) -> Range:
    if node is None or any(math.isnan(low) for low, _ in inputs):
        return _UNKNOWN
    if node.value is not None:
        return _range_of_constant(node.value)
    if node.op in _FIXED:
        return _FIXED[node.op]
    if inputs and node.op in _SAME:
        return inputs[0]
    if inputs and node.op in _RISING:
        low, high = (_RISING[node.op](bound) for bound in inputs[0])
        return low, high
    if inputs and node.op in _UNARY:
        return _UNARY[node.op](inputs[0])
    if inputs and node.op in _SEVERAL:
        return _SEVERAL[node.op](inputs)
    return _UNKNOWN


def _range_of_constant(value: npt.NDArray[np.generic]) -> Range:
    if value.dtype.kind not in "biuf" or not value.size:
        return _UNKNOWN
    return float(value.min()), float(value.max())


def _multiply(a: Range, b: Range) -> Range:
    products = [0.0 if 0.0 in (x, y) else x * y for x in a for y in b]
    return min(products), max(products)


def _divide(a: Range, b: Range) -> Range:
    if b[0] < 0 < b[1]:
        return _UNBOUNDED
    edge = -math.inf if b[1] <= 0 else math.inf
    inverse = sorted(edge if bound == 0 else 1 / bound for bound in b)
    return _multiply(a, (inverse[0], inverse[1]))


def _square(a: Range) -> Range:
    low, high = sorted((a[0] * a[0], a[1] * a[1]))
    return (0.0 if a[0] <= 0 <= a[1] else low), high


def _absolute(a: Range) -> Range:
    low, high = sorted((abs(a[0]), abs(a[1])))
    return (0.0 if a[0] <= 0 <= a[1] else low), high


def _fold(combine: Callable[[Range, Range], Range]) -> Callable[[list[Range]], Range]:
    def of_all(ranges: list[Range]) -> Range:
        result = ranges[0]
        for entry in ranges[1:]:
            result = combine(result, entry)
        return result

    return of_all


_UNARY: dict[str, Callable[[Range], Range]] = {
    "Neg": lambda a: (-a[1], -a[0]),
    "Reciprocal": lambda a: _divide((1.0, 1.0), a),
    "Square": _square,
    "Abs": _absolute,
    # Of an unknown number of values.
    "Sum": lambda a: (-math.inf if a[0] < 0 else 0.0, math.inf if a[1] > 0 else 0.0),
}
_SEVERAL: dict[str, Callable[[list[Range]], Range]] = {
    "Add": _fold(lambda a, b: (a[0] + b[0], a[1] + b[1])),
    "Sub": _fold(lambda a, b: (a[0] - b[1], a[1] - b[0])),
    "Mul": _fold(_multiply),
    "Div": _fold(_divide),
    "Maximum": _fold(lambda a, b: (max(a[0], b[0]), max(a[1], b[1]))),
    "Minimum": _fold(lambda a, b: (min(a[0], b[0]), min(a[1], b[1]))),
    "Concat": _fold(lambda a, b: (min(a[0], b[0]), max(a[1], b[1]))),
    "Average": _fold(lambda a, b: (min(a[0], b[0]), max(a[1], b[1]))),
    # The values, the lower and the upper bound.
    "Clip": lambda r: (
        (min(max(r[0][0], r[1][0]), r[2][0]), min(max(r[0][1], r[1][1]), r[2][1]))
        if len(r) == 3
        else r[0]
    ),
    # The condition, and what is chosen from.
    "Select": lambda r: (min(a for a, _ in r[1:]), max(b for _, b in r[1:])),
}


def find_source(graph: Graph, tensor: str) -> Node:
    """Return the operation that computes a tensor's values, before they are moved."""
    node = graph.get(tensor, Node(""))
    while node.op in _RESHAPING and node.inputs:
        node = graph.get(node.inputs[0], Node(""))
    return node
