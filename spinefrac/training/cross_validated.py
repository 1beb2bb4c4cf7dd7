"""A Keras model that carries its cross-validation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinefrac.evaluation.metrics import Metrics
from spinefrac.records import Dataset, EpochRecord, OutOfFoldPredictions, Preprocessing

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True)
class CrossValidationResult:
    """What cross-validation found out about a model, its attribute ``cross_validation``.

    Attributes
    ----------
    metrics : Metrics
        Of the out-of-fold predictions at a threshold of 0.5, with 95 % intervals over groups.
    out_of_fold : OutOfFoldPredictions
        Every slice's prediction by a model that never saw its group.
    history : tuple of EpochRecord
        Of all folds.
    dataset : Dataset
    preprocessing : Preprocessing
        How slices become the model's input.
    notes : tuple of str
        What people should know of it: the number of folds, the weights at the start.
    initial_state : tuple of array
        Weights and statistics that every fold started from.
    """

    metrics: Metrics
    out_of_fold: OutOfFoldPredictions
    history: tuple[EpochRecord, ...]
    dataset: Dataset
    preprocessing: Preprocessing
    notes: tuple[str, ...] = ()
    initial_state: tuple[npt.NDArray[np.generic], ...] = field(default=(), repr=False)


#: Attributes of the result that a model answers for, where it has none of that name.
_REACHED = ("out_of_fold", "history", "dataset")


class _KerasMetrics(list[Any]):
    """Keras's own list of a model's metrics, which also has the attributes of `Metrics`."""

    def __init__(self, own: list[Any], measured: Metrics) -> None:
        super().__init__(own)
        self._measured = measured

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._measured, name)


def attach(model: keras.Model, result: CrossValidationResult) -> None:
    """Give a model the attribute ``cross_validation``.

    Its ``metrics`` stay the list that Keras works with, and that list answers for the metrics of
    the cross-validation too: ``model.metrics.auc``. ``out_of_fold``, ``dataset`` and, until Keras
    sets one of its own, ``history`` are reached as well. A property can only be of the class, so
    the model gets one of its own, under the name of its class: files and copies are as before.
    """
    if get_result(model) is None:
        # Keras watches assignments to a model; its class is not among them.
        object.__setattr__(model, "__class__", _extend_class(type(model)))
    model.cross_validation = result


def _extend_class(kind: Any) -> type:
    """Return a subclass whose ``metrics`` also answer for the cross-validation."""

    def metrics(self: Any) -> list[Any]:
        own = list(kind.metrics.fget(self))
        result = get_result(self)
        return _KerasMetrics(own, result.metrics) if result else own

    def get_missing(self: Any, name: str) -> Any:
        if name in _REACHED:
            return getattr(self.__dict__["cross_validation"], name)
        raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")

    def reduce(self: Any) -> Any:
        # As the class that it extends: `pickle` finds none that was made here.
        unpickle, *rest = kind.__reduce__(self)
        return (getattr(kind, unpickle.__name__), *rest)

    names = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__getattr__": get_missing,
        "__reduce__": reduce,
        "metrics": property(metrics),
    }
    return type(kind.__name__, (kind,), names)


def get_result(model: Any) -> CrossValidationResult | None:
    """Return a model's cross-validation, where `attach` gave it one in this process."""
    result = getattr(model, "cross_validation", None)
    return result if isinstance(result, CrossValidationResult) else None
