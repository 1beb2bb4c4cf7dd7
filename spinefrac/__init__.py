"""Train and serve CNNs that classify spinal CT slices as fracture / no fracture.

The seven functions below are what a Keras script needs; they are loaded when first used, so
that ``import spinefrac`` stays light. What is behind them:

===================  ================================================================
``records``          frozen dataclasses that travel between rooms
``errors``           `SpinefracError` and its kinds
``settings``         where things live, from ``SPINEFRAC_*`` variables
``processes``        whether a process still lives
``imaging``          bytes -> slice -> model input: the only preprocessing there is
``data``             folder -> data set -> groups -> folds; importers, phantom, pixel cache
``training``         networks, augmentation, one fold; runs, runner, Dask cluster
``audit``            what a folder can show: leaks, copies, shortcuts, verdict
``evaluation``       metrics with intervals, calibration, operating point, comparison
``serving``          predictor on ONNX Runtime, heat map, input check, jobs, history
``store``            saved models: card, write, list, load, shelf, export, import, addresses
``report``           on a model or on slices, as HTML, PDF, JSON and DICOM
``viewer``           a slice, its windows and its heat map for the browser
``charts``           slices under their heat maps; numbers -> figures
``charts_metrics``   metrics -> figures; ``charts_augmentation`` augmented slices -> pictures
``cli``              the command ``spinefrac``
===================  ================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spinefrac.training.keras_api import (
        build_cnn_model,
        evaluate_model,
        load_and_preprocess_image,
        load_model,
        predict_fracture,
        save_model,
        train_model_with_cross_validation,
    )

__all__ = [
    "build_cnn_model",
    "evaluate_model",
    "load_and_preprocess_image",
    "load_model",
    "predict_fracture",
    "save_model",
    "train_model_with_cross_validation",
]


def __getattr__(name: str) -> Any:
    """Load one of the seven functions when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from spinefrac.training import keras_api

    return getattr(keras_api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
