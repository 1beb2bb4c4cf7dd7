"""Train and serve CNNs that classify spinal CT slices as fracture / no fracture.

The seven functions below are what a Keras script needs; they are loaded when they are first used,
so that ``import spinefrac`` stays light. The packages behind them, from the top; each imports from
lower ones only (drawn in ``docs/architecture.md``):

================ ==================================================================
``server``       pages and REST in one ASGI application
``ui``           Streamlit pages, one folder a page
``cli``          the command line, one module a command
``training``     networks, augmentation, folds; runs, runner, Dask cluster
``exchange``     models out and in: export, import, remote addresses, MLflow
``report``       model and prediction reports: HTML, PDF, JSON, DICOM
``api``          REST: one module a resource, and guards that every request passes
``access``       users, roles, sign-in, log of actions
``inference``    predictor on ONNX Runtime, heat map, input check, history
``audit``        checks of a data set: leakage, duplicates, shortcuts, verdict
``store``        saved models: card, repository, annotations, evaluations
``viz``          numbers to figures, slices to overlays
``data``         folder to data set, groups and folds; importers, phantom
``imaging``      bytes to slice to model input: the only preprocessing
``evaluation``   metrics with intervals, calibration, operating point
``system``       files, locks, SQLite, child processes
``settings``     where things live, from ``SPINEFRAC_*`` variables
``records``      frozen dataclasses that several packages share
``wording``      titles and words for people
``slice_order``  the order of the slices of a series
``spreadsheets`` tables as CSV, in which nothing runs
``redaction``    what each kind of output may carry
``extras``       what an installation may lack
``errors``       `SpinefracError` and its kinds
================ ==================================================================
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
    from spinefrac import extras
    from spinefrac.training import keras_api

    extras.require("train")
    return getattr(keras_api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
