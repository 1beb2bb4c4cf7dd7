"""The state that every fold of a user's own model starts from: its weights and statistics."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinefrac.errors import TrainingError
from spinefrac.exchange.networks.keras_graph import detect_input_scale
from spinefrac.records import Dataset
from spinefrac.training import arguments, checkpoint, cross_validated, shipped_weights

if TYPE_CHECKING:
    import keras

#: Values of `InitialState.weights`.
WEIGHTS = ("given", "random")

#: Variables that begin at 0 or 1 in every layer of Keras, so that others tell of training.
_BEGIN_AT = {"bias": 0.0, "beta": 0.0, "gamma": 1.0}

_SEEN = (
    "The model was trained on slices of this data set before: every fold starts from the weights "
    "that it had before that, so that no fold knows what it is evaluated on."
)
_TRAINED = (
    "The model brings trained weights, and every fold starts from them. If slices of this data set "
    "were among those that it was trained on, the metrics are too good: "
    "initial_weights='random' starts anew."
)
_SPINE = "Every fold starts from the weights spine, which were taught with synthetic slices only."
_RANDOM = "Every fold starts from random weights in the trainable layers; others stay as they are."


@dataclass(frozen=True)
class InitialState:
    """A model, and the state in which each of its trainings begins.

    Attributes
    ----------
    model : keras.Model
    values : tuple of array
        Of all of its variables: weights, adapted and moving statistics, states of dropout.
    before : tuple of array
        The values that it had when it was given.
    weights : str
        ``given`` or ``random``.
    notes : tuple of str
        What people should know of it.
    """

    model: keras.Model
    values: tuple[npt.NDArray[Any], ...]
    before: tuple[npt.NDArray[Any], ...]
    weights: str
    notes: tuple[str, ...]

    def apply(self, fold: int) -> None:
        """Set the model to the state in which the training of a fold begins.

        The model is used again and again rather than cloned: a clone would lose weights, frozen
        flags of nested networks and adapted statistics.
        """
        _assign(self.model, self.values)
        if self.weights == "random":
            _draw_weights(self.model, seed=fold + 1)

    @property
    def is_spine(self) -> bool:
        """Whether the folds start from the weights `spine` of the package."""
        return self.weights == "given" and _are_spine_weights(self.values)

    def restore(self) -> None:
        """Set the model to the state in which it was given."""
        _assign(self.model, self.before)


def capture(model: keras.Model, dataset: Dataset, weights: str) -> InitialState:
    """Return the state that the folds of a model start from.

    Parameters
    ----------
    model : keras.Model
    dataset : Dataset
        That the folds are made of.
    weights : str
        ``given`` or ``random``.

    Raises
    ------
    TrainingError
        `weights` is neither, or nothing in the model can be trained.
    """
    if not isinstance(weights, str) or weights not in WEIGHTS:
        raise TrainingError(
            f"Expected 'given' or 'random' for initial_weights, got {arguments.describe(weights)}: "
            "pass one of them"
        )
    if not model.trainable_variables:
        raise TrainingError(
            "Every layer of the model is frozen (trainable=False), so there is nothing to train: "
            "leave the last ones trainable"
        )
    if str(model.outputs[0].dtype) in ("float16", "bfloat16"):
        raise TrainingError(
            f"The model's output has 16 bits ({model.outputs[0].dtype}), too few for its loss: "
            "give the last layer dtype='float32'"
        )
    before = checkpoint.read_variables(checkpoint.list_state_variables(model))
    values, notes = before, tuple[str, ...]()
    if weights == "random":
        notes = (_RANDOM,)
    elif (earlier := _find_earlier_state(model, dataset)) is not None:
        values, notes = earlier, (_SEEN,)
    elif _are_spine_weights(before):
        notes = (_SPINE,)
    elif _looks_trained(model):
        notes = (_TRAINED,)
        warnings.warn(_TRAINED, stacklevel=3)
    return InitialState(model, values, before, weights, notes)


def takes_0_255(model: keras.Model) -> bool:
    """Whether a model is known to take grey values in 0…255."""
    if cross_validated.get_result(model) is not None:
        return True
    return detect_input_scale(model) == "0..255"


def _find_earlier_state(
    model: keras.Model, dataset: Dataset
) -> tuple[npt.NDArray[Any], ...] | None:
    """Return the state before an earlier training on some of the same slices, or None."""
    result = cross_validated.get_result(model)
    if result is None:
        return None
    known = {item.pixel_hash for item in result.dataset.items}
    seen = any(item.pixel_hash in known for item in dataset.items)
    return result.initial_state if seen else None


def _looks_trained(model: keras.Model) -> bool:
    """Whether a weight is not as every layer of Keras begins."""
    return any(
        not np.all(np.asarray(variable) == _BEGIN_AT[variable.name])
        for variable in model.trainable_variables
        if variable.name in _BEGIN_AT
    )


def _are_spine_weights(values: tuple[npt.NDArray[Any], ...]) -> bool:
    """Whether variables are those of `compact` as the package brings it: no data set was seen."""
    spine = shipped_weights.read_weights("compact-spine")
    return len(values) == len(spine) and all(
        np.array_equal(own, shipped) for own, shipped in zip(values, spine, strict=True)
    )


def _assign(model: keras.Model, values: tuple[npt.NDArray[Any], ...]) -> None:
    for variable, value in zip(checkpoint.list_state_variables(model), values, strict=True):
        variable.assign(value)


def _draw_weights(model: keras.Model, seed: int) -> None:
    """Draw the trainable weights of a model anew, as its layers were made to."""
    import keras

    keras.utils.set_random_seed(seed)
    try:
        fresh = keras.models.clone_model(model)
    except Exception as error:
        raise TrainingError(
            f"The layers of the model cannot draw new weights ({type(error).__name__}): use "
            "initial_weights='given' with a model that is new"
        ) from error
    trainable = {id(variable) for variable in model.trainable_variables}
    for own, new in zip(model.weights, fresh.weights, strict=True):
        if id(own) in trainable:
            own.assign(new)
