"""ONNX networks of other tools: verified, and wrapped in this package's input and output."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinefrac.errors import ModelError
from spinefrac.exchange import validation
from spinefrac.exchange.io_spec import DeclaredIO, IOSpec
from spinefrac.exchange.networks import output_form
from spinefrac.exchange.networks.output_form import EPSILON, Node

if TYPE_CHECKING:
    import onnx

#: Not accepted: control flow that may never end, random numbers, and sequences.
_FORBIDDEN_OPERATORS = validation.split_words(
    """
    If Loop Scan RandomNormal RandomNormalLike RandomUniform RandomUniformLike Multinomial
    Bernoulli SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceMap
    SplitToSequence ConcatFromSequence StringConcat StringNormalizer StringSplit RegexFullMatch
    ImageDecoder Optional OptionalGetElement TfIdfVectorizer
    """
)
#: Operators that leave the values unchanged between the last activation and the output.
_PASS_THROUGH_OPERATORS = frozenset(
    {"Identity", "Flatten", "Squeeze", "Reshape", "Cast", "Dropout"}
)

#: Names of operators where they are other ones than in `output_form.Node`.
_OPERATIONS = {
    "Sum": "Add",
    "Mean": "Average",
    "Max": "Maximum",
    "Min": "Minimum",
    "ReduceSum": "Sum",
    "ReduceMean": "Mean",
    "ReduceMax": "Max",
    "ReduceMin": "Min",
    "Where": "Select",
}
#: Largest constant whose values are looked at.
_MAX_CONSTANT = 64

#: Operators of older sets have other arguments.
_MIN_OPSET = 13

#: Before it, weights had to be among the inputs.
_MIN_IR_VERSION = 4


@dataclass(frozen=True)
class OnnxNetwork:
    """A network in ONNX and what its file says about it.

    Attributes
    ----------
    model : onnx.ModelProto
    input, output : str
        Names of its only input and output.
    channels_last : bool
        Whether its input is (N, S, S, C), else (N, C, S, S).
    units : int
    file_io : DeclaredIO
    logits_tensor : str or None
        Name of the tensor before a final sigmoid or softmax; None where there is none.
    """

    model: onnx.ModelProto
    input: str
    output: str
    channels_last: bool
    units: int
    file_io: DeclaredIO
    logits_tensor: str | None


def load_network(path: Path) -> OnnxNetwork:
    """Verify an ONNX file by its declarations.

    Raises
    ------
    ModelError
        It is not an ONNX file, has another input or output than a network for slices, or holds
        parts that are not accepted.
    """
    import onnx

    model = _load_model(path)
    source = _find_input(model)
    shape = _declared_shape(source)
    if source.type.tensor_type.elem_type != onnx.TensorProto.FLOAT or len(shape) != 4:
        raise ModelError(
            f"The network's input has {len(shape)} dimensions of type "
            f"{source.type.tensor_type.elem_type}, expected 4 of 32-bit floats (N, channels, "
            "rows, columns, or channels last): export it for single images"
        )
    channels_last, channels, size = _detect_layout(shape)
    units = _count_units(model)
    activation, logits = _detect_output_activation(model, units)
    return OnnxNetwork(
        model,
        source.name,
        model.graph.output[0].name,
        channels_last,
        units,
        DeclaredIO(size=size, channels=channels, output=activation),
        logits,
    )


def _load_model(path: Path) -> onnx.ModelProto:
    """Read the file, and refuse what is damaged or not accepted."""
    import onnx

    validation.check_file_size(path)
    try:
        model = onnx.load_model_from_string(path.read_bytes())
        check_graph(model)
        onnx.checker.check_model(model)
        return onnx.shape_inference.infer_shapes(model)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"{path.name} is damaged or not an ONNX file ({validation.summarize_error(error)}): "
            "export it again"
        ) from error


def _find_input(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    """Return the only input; refuse a network with several inputs or outputs."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [entry for entry in model.graph.input if entry.name not in constants]
    names = [entry.name for entry in model.graph.output]
    if len(inputs) != 1 or len(names) != 1:
        hint = (
            "it looks like serving.onnx of a model of spinefrac: import that model's ZIP instead, "
            "which states its input and output"
            if names == ["logits", "heatmaps"]
            else "export the classifier alone"
        )
        raise ModelError(
            f"The network has {len(inputs)} inputs and {len(names)} outputs, expected one of "
            f"each: {hint}"
        )
    return inputs[0]


def _count_units(model: onnx.ModelProto) -> int:
    """Return the number of output values for a slice."""
    output = _declared_shape(model.graph.output[0])
    units = 1 if len(output) == 1 else int(output[-1] or 0)
    if not units:
        raise ModelError(
            "The file does not say how many values the network returns: export it with a fixed "
            "number of outputs"
        )
    return units


def check_graph(model: Any) -> None:
    """Refuse what reads other files, runs other code, may never end or is random."""
    domains = {entry.domain for entry in model.opset_import} - {"", "ai.onnx"}
    used = sorted({node.domain for node in model.graph.node} - {"", "ai.onnx"})
    if used or len(model.functions):
        raise ModelError(
            f"The network uses operators of {', '.join(used or sorted(domains)) or 'its own'}, "
            "expected those of ONNX alone: export it without custom operators"
        )
    if max((entry.version for entry in model.opset_import), default=0) < _MIN_OPSET:
        raise ModelError(
            f"The network is in an ONNX operator set before {_MIN_OPSET}: export it again "
            "with a newer one"
        )
    for node in model.graph.node:
        if node.op_type in _FORBIDDEN_OPERATORS or any(
            a.HasField("g") or a.graphs for a in node.attribute
        ):
            raise ModelError(
                f"The network has the operator {node.op_type}, which no classifier of single "
                "slices needs and which may never end or change its results: it is not imported"
            )
    tensors = list(model.graph.initializer) + [
        attribute.t
        for node in model.graph.node
        for attribute in node.attribute
        if attribute.HasField("t")
    ]
    total = 0
    for tensor in tensors:
        if tensor.data_location or tensor.external_data:
            raise ModelError(
                "The network takes weights from other files (external data), expected all in one "
                "file: save it as one file first"
            )
        total += 4 * math.prod(tensor.dims)
    if total > validation.MAX_WEIGHT_BYTES or len(model.graph.sparse_initializer):
        raise ModelError(
            f"The network declares {total / 2**20:.0f} MiB of weights, expected at most "
            f"{validation.MAX_WEIGHT_BYTES // 2**20} and none of them sparse: it is not imported"
        )


def _declared_shape(value: Any) -> list[int | None]:
    """Return a tensor's declared dimensions; None where one is open."""
    dims = value.type.tensor_type.shape.dim
    return [d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in dims]


def _detect_layout(shape: list[int | None]) -> tuple[bool, int, int | None]:
    """Return whether channels are last, how many there are, and the side of the input."""
    _, second, third, last = shape
    first_like, last_like = second in (1, 3), last in (1, 3)
    if first_like == last_like:
        raise ModelError(
            f"The network's input is declared as {shape}, which does not say where its 1 or 3 "
            "channels are: export it with a fixed number of channels"
        )
    rows, columns = (second, third) if last_like else (third, last)
    channels = last if last_like else second
    assert channels is not None
    if rows != columns:
        raise ModelError(
            f"The network's input has {rows} x {columns} pixels, expected a square: spinefrac "
            "serves square inputs"
        )
    return last_like, channels, rows


def _detect_output_activation(model: Any, units: int) -> tuple[str | None, str | None]:
    """Return the output activation, and the tensor before its sigmoid or softmax."""
    if units not in (1, 2):
        return None, None
    name = model.graph.output[0].name
    form = output_form.detect(_list_operations(model), name, units)
    if form is None or not form.is_probability:
        return form.activation if form else None, None
    producers = {name: node for node in model.graph.node for name in node.output}
    while name in producers and producers[name].op_type in _PASS_THROUGH_OPERATORS:
        name = producers[name].input[0]
    node = producers.get(name)
    wanted = "Sigmoid" if units == 1 else "Softmax"
    return form.activation, node.input[0] if node and node.op_type == wanted else None


def _list_operations(model: Any) -> dict[str, Node]:
    """Return the operations of a network by the tensors that they compute."""
    from onnx import numpy_helper

    graph = {entry.name: Node("Placeholder") for entry in model.graph.input}
    for tensor in model.graph.initializer:
        # Bounds of a few numbers are looked at, such as those of a clip; never those of weights.
        few = math.prod(tensor.dims) <= _MAX_CONSTANT
        value = numpy_helper.to_array(tensor) if few else None
        graph[tensor.name] = Node("Variable", value=value)
    for node in model.graph.node:
        operation = _OPERATIONS.get(node.op_type, node.op_type)
        constants = [a.t for a in node.attribute if node.op_type == "Constant"]
        value = numpy_helper.to_array(constants[0]) if constants else None
        entry = Node(operation, tuple(node.input), value)
        graph.update((name, entry) for name in node.output)
    return graph


def wrap_network(network: OnnxNetwork, io_spec: IOSpec, path: Path) -> None:
    """Write the network, wrapped in this package's input and output.

    Input ``image`` float32 (N, S, S, 1) in 0…255, output ``logits`` (N, 1): positive for a
    fracture.
    """
    import onnx
    from onnx import TensorProto, compose, helper, numpy_helper

    inner = compose.add_prefix(network.model, "network/")
    graph, builder = inner.graph, _GraphBuilder()
    source = builder.add_input_scaling(io_spec, network.channels_last)
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name == f"network/{network.input}":
                node.input[index] = source
    logits = (
        f"network/{network.logits_tensor}"
        if network.logits_tensor and io_spec.output != "logits"
        else ""
    )
    scaling = list(builder.nodes)
    builder.nodes.clear()
    builder.add_logit(logits or f"network/{network.output}", io_spec, is_logits=bool(logits))
    whole = helper.make_graph(
        [*scaling, *graph.node, *builder.nodes],
        "serving",
        [
            helper.make_tensor_value_info(
                "image", TensorProto.FLOAT, ["N", io_spec.size, io_spec.size, 1]
            )
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 1])],
        [
            *graph.initializer,
            *(numpy_helper.from_array(v, k) for k, v in builder.constants.items()),
        ],
    )
    opsets = [helper.make_opsetid("", max(entry.version for entry in inner.opset_import))]
    version = max(inner.ir_version, _MIN_IR_VERSION)
    result = helper.make_model(whole, opset_imports=opsets, ir_version=version)
    onnx.checker.check_model(result)
    path.write_bytes(result.SerializeToString())


class _GraphBuilder:
    """ONNX nodes and constants around a network."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}

    def add_node(self, op_type: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = output or f"spinefrac/{len(self.nodes)}/{op_type}"
        self.nodes.append(helper.make_node(op_type, list(inputs), [output], **attributes))
        return output

    def add_constant(self, value: npt.ArrayLike, dtype: Any = np.float32) -> str:
        name = f"spinefrac/constant/{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype)
        return name

    def add_input_scaling(self, io_spec: IOSpec, channels_last: bool) -> str:
        """Convert ``image`` (N, S, S, 1) to the network's channels, scale and layout."""
        x = "image"
        if io_spec.channels > 1:
            x = self.add_node("Concat", *[x] * io_spec.channels, axis=3)
        x = self.add_node("Mul", x, self.add_constant(io_spec.factors))
        x = self.add_node("Add", x, self.add_constant(io_spec.offsets))
        return x if channels_last else self.add_node("Transpose", x, perm=[0, 3, 1, 2])

    def add_logit(self, x: str, io_spec: IOSpec, *, is_logits: bool) -> None:
        """Compute ``logits`` (N, 1) from the network's output, or from its logits."""
        x = self.add_node(
            "Reshape", x, self.add_constant([-1, io_spec.units], np.int64), output="values"
        )
        if not is_logits and io_spec.output != "logits":
            low, high = self.add_constant(EPSILON), self.add_constant(1 - EPSILON)
            p = self.add_node("Clip", x, low, high, output="clipped")
            x = self.add_node("Log", p, output="logs")
            if io_spec.units == 1:
                rest = self.add_node("Sub", self.add_constant(1.0), p, output="rest")
                x = self.add_node(
                    "Sub", x, self.add_node("Log", rest, output="rest-logs"), output="odds"
                )
        sign = 1.0 if io_spec.positive_class else -1.0
        weights = [[sign]] if io_spec.units == 1 else [[-sign], [sign]]
        self.add_node("MatMul", x, self.add_constant(weights), output="logits")
