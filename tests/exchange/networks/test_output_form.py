"""Interval arithmetic tells a probability from a logit."""

import math

import numpy as np
import pytest

from spinefrac.errors import ModelError
from spinefrac.exchange.networks import output_form
from spinefrac.exchange.networks.output_form import Node, OutputForm

LINEAR = {"x": Node("Placeholder"), "z": Node("MatMul", ("x",))}


def constant(value: float) -> Node:
    return Node("Variable", value=np.float32(value))


def graph(**nodes: Node) -> dict:
    return LINEAR | nodes


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ({"y": Node("Sigmoid", ("z",))}, (0, 1)),
        ({"y": Node("Identity", ("z",))}, (-math.inf, math.inf)),
        (
            {"t": Node("Tanh", ("z",)), "h": constant(0.5), "y": Node("Mul", ("t", "h"))},
            (-0.5, 0.5),
        ),
        ({"s": Node("Sigmoid", ("z",)), "o": constant(1), "y": Node("Sub", ("o", "s"))}, (0, 1)),
        ({"l": constant(0), "h": constant(1), "y": Node("Clip", ("z", "l", "h"))}, (0, 1)),
        ({"r": Node("Relu6", ("z",)), "n": constant(6), "y": Node("Div", ("r", "n"))}, (0, 1)),
        (
            {
                "n": Node("Neg", ("z",)),
                "e": Node("Exp", ("n",)),
                "o": constant(1),
                "s": Node("Add", ("o", "e")),
                "y": Node("Reciprocal", ("s",)),
            },
            (0, 1),
        ),
        ({"a": Node("Tanh", ("z",)), "y": Node("Square", ("a",))}, (0, 1)),
        ({"a": Node("Tanh", ("z",)), "y": Node("Abs", ("a",))}, (0, 1)),
        ({"a": Node("Sigmoid", ("z",)), "y": Node("Sum", ("a",))}, (0, math.inf)),
        ({"a": Node("Sigmoid", ("z",)), "y": Node("Concat", ("a", "z"))}, (-math.inf, math.inf)),
    ],
)
def test_bounds_are_followed(nodes, expected) -> None:
    assert output_form.find_range(graph(**nodes), "y") == expected


@pytest.mark.parametrize(
    "nodes",
    [
        {"y": Node("Mystery", ("z",))},
        {"y": Node("Relu", ("nothing",))},
        {"y": Node("Add", ("y", "z"))},
    ],
)
def test_what_is_not_known_has_no_bounds(nodes) -> None:
    assert math.isnan(output_form.find_range(graph(**nodes), "y")[0])


def test_a_network_may_be_thousands_of_operations_deep() -> None:
    deep = {f"n{i}": Node("Identity", (f"n{i - 1}" if i else "s",)) for i in range(5000)}
    assert output_form.find_range(graph(s=Node("Sigmoid", ("z",)), **deep), "n4999") == (0, 1)


def test_the_form_follows_from_the_bounds() -> None:
    sigmoid, linear = graph(y=Node("Sigmoid", ("z",))), graph(y=Node("Identity", ("z",)))
    assert output_form.detect(sigmoid, "y", 1) == OutputForm(1, is_probability=True)
    assert output_form.detect(linear, "y", 2) == OutputForm(2, is_probability=False)
    assert output_form.detect(graph(y=Node("Relu", ("z",))), "y", 1) is None
    assert output_form.detect(graph(y=Node("LogSoftmax", ("z",))), "y", 2).activation == "logits"
    with pytest.raises(ModelError, match="softmax over one value, which is 1 for every slice"):
        output_form.detect(graph(s=Node("Softmax", ("z",)), y=Node("Reshape", ("s",))), "y", 1)


def test_weights_that_add_up_to_one_may_pass_it_by_rounding() -> None:
    parts = {f"p{i}": Node("Mul", (f"s{i}", "w")) for i in range(3)}
    nodes = parts | {f"s{i}": Node("Sigmoid", ("z",)) for i in range(3)} | {"w": constant(1 / 3)}
    assert output_form.detect(graph(**nodes, y=Node("Add", tuple(parts))), "y", 1).is_probability


@pytest.mark.parametrize(
    ("form", "values", "expected"),
    [
        (OutputForm(1, is_probability=True), [[0.25], [1.0]], [-math.log(3), math.log(1e7)]),
        (OutputForm(2, is_probability=True), [[0.2, 0.8]], [math.log(4)]),
        (OutputForm(1, is_probability=False), [[-1.5]], [-1.5]),
        (OutputForm(2, is_probability=False), [[1.0, 3.5]], [2.5]),
    ],
)
def test_values_become_logits(form, values, expected) -> None:
    assert output_form.to_logits(values, form) == pytest.approx(expected, rel=1e-3)
