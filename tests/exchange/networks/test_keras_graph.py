"""What a Keras model returns and takes is found by what it computes, however it is written."""

import numpy as np
import pytest

from spinefrac.errors import ModelError
from spinefrac.exchange.networks import keras_graph
from spinefrac.exchange.networks.output_form import OutputForm

SIDE = 8
PROBABILITY = OutputForm(1, is_probability=True)


def build(head, *, channels: int = 1):
    import keras

    image = keras.Input((SIDE, SIDE, channels))
    return keras.Model(image, head(keras.layers.GlobalAveragePooling2D()(image)))


def heads() -> dict:
    """Return heads that give one probability, in the ways of people's scripts."""
    import keras
    import tensorflow as tf
    from keras import layers, ops

    def sigmoid(x):
        return layers.Dense(1, activation="sigmoid")(x)

    inner = keras.Sequential([keras.Input((1,)), layers.Dense(1, activation="sigmoid")])
    inner_call = tf.function(lambda x: 1 / (1 + tf.exp(-x)))
    return {
        "string": sigmoid,
        "tf.nn": lambda x: layers.Dense(1, activation=tf.nn.sigmoid)(x),
        "function": lambda x: keras.activations.sigmoid(layers.Dense(1)(x)),
        "ops": lambda x: ops.sigmoid(layers.Dense(1)(x)),
        "layer": lambda x: layers.Activation("sigmoid")(layers.Dense(1)(x)),
        "lambda": lambda x: layers.Lambda(lambda t: tf.sigmoid(t))(layers.Dense(1)(x)),
        "tf.function": lambda x: layers.Lambda(inner_call)(layers.Dense(1)(x)),
        "nested": lambda x: inner(x),
        "hard": lambda x: layers.Dense(1, activation="hard_sigmoid")(x),
        "flatten": lambda x: layers.Flatten()(layers.Reshape((1, 1))(sigmoid(x))),
        "dropout": lambda x: layers.Dropout(0.5)(sigmoid(x)),
        "linear": lambda x: layers.Activation("linear", dtype="float32")(sigmoid(x)),
        "average": lambda x: layers.Average()([sigmoid(x), sigmoid(x), sigmoid(x)]),
        "weighted": lambda x: 0.3 * sigmoid(x) + 0.7 * sigmoid(x),
        "tanh": lambda x: (ops.tanh(layers.Dense(1)(x)) + 1) / 2,
        "other class": lambda x: 1 - sigmoid(x),
        "column": lambda x: layers.Dense(2, activation="softmax")(x)[:, 1:],
        "opaque": lambda x: layers.Lambda(
            lambda t: tf.ensure_shape(tf.py_function(tf.sigmoid, [t], tf.float32), (None, 1)),
            output_shape=(1,),
        )(layers.Dense(1)(x)),
    }


NAMES = (
    *("string", "tf.nn", "function", "ops", "layer", "lambda", "tf.function", "nested", "hard"),
    *("flatten", "dropout", "linear", "average", "weighted", "tanh", "other class", "column"),
    "opaque",
)


def test_every_way_of_a_sigmoid_is_a_probability() -> None:
    found = {name: keras_graph.detect_output_form(build(head)) for name, head in heads().items()}
    assert tuple(found) == NAMES
    assert found == dict.fromkeys(NAMES, PROBABILITY)


def test_logits_and_two_classes() -> None:
    from keras import layers, ops

    def exponentials(x):
        powers = ops.exp(layers.Dense(2)(x))
        return powers / ops.sum(powers, axis=1, keepdims=True)

    expected = {
        lambda x: layers.Dense(1)(x): (1, False),
        lambda x: layers.BatchNormalization()(layers.Dense(1)(x)): (1, False),
        lambda x: layers.LeakyReLU()(layers.Dense(1)(x)): (1, False),
        lambda x: layers.Dense(2)(x): (2, False),
        lambda x: layers.Dense(2, activation="softmax")(x): (2, True),
        lambda x: layers.Softmax()(layers.Dense(2)(x)): (2, True),
        lambda x: layers.Dense(2, activation="sigmoid")(x): (2, True),
        lambda x: layers.Dense(2, activation="log_softmax")(x): (2, False),
        exponentials: (2, True),
    }
    for head, form in expected.items():
        assert keras_graph.detect_output_form(build(head)) == OutputForm(*form)


@pytest.mark.parametrize("activation", ["relu", "tanh", "softplus"])
def test_an_output_that_is_neither_is_refused_with_its_bounds(activation) -> None:
    from keras import layers

    model = build(lambda x: layers.Dense(1, activation=activation)(x))
    assert keras_graph.detect_output_form(model) is None
    with pytest.raises(ModelError, match=r"whose output lies between (0 and inf|-1 and 1)"):
        keras_graph.require_output_form(model)


def test_a_softmax_over_one_value_is_refused() -> None:
    from keras import layers

    model = build(lambda x: layers.Dense(1, activation="softmax")(x))
    with pytest.raises(ModelError, match="which is 1 for every slice"):
        keras_graph.require_output_form(model)


def test_the_scale_of_the_images_is_found() -> None:
    import keras
    from keras import applications, layers

    def build_scaled(scale, channels: int = 3):
        image = keras.Input((SIDE, SIDE, channels))
        return keras.Model(image, layers.Dense(1)(layers.Flatten()(scale(image))))

    normalise = layers.Normalization(axis=None)
    normalise.adapt(np.linspace(0, 255, 64, dtype=np.float32))
    nested = keras.Sequential([keras.Input((SIDE, SIDE, 3)), layers.Rescaling(1 / 127.5, -1)])
    of_255 = (
        layers.Rescaling(1 / 255),
        lambda x: layers.Rescaling(1 / 255)(layers.RandomFlip()(x)),
        nested,
        normalise,
        applications.mobilenet_v2.preprocess_input,
        applications.resnet50.preprocess_input,
        lambda x: x / 255.0,
    )
    assert {keras_graph.detect_input_scale(build_scaled(scale)) for scale in of_255} == {"0..255"}
    for scale in (lambda x: x, layers.Rescaling(2.0), layers.Conv2D(2, 3)):
        assert keras_graph.detect_input_scale(build_scaled(scale)) is None
