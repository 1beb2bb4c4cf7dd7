"""What the Metrics page computes once: predictions, metrics, curves and comparisons.

The caches are keyed by the SHA-256 of the model's card, so a model that is trained again under the
same name gets entries of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st

from spinefrac import settings
from spinefrac.evaluation import curves, patients, subgroups
from spinefrac.evaluation.compare import PairComparison, compare_models
from spinefrac.evaluation.metrics import Metrics, MetricsCalculator, compute_metrics
from spinefrac.store import evaluations, paired
from spinefrac.store.evaluations import Evaluation, SlicePredictions
from spinefrac.store.paired import PairedPredictions
from spinefrac.store.repository import SavedModel
from spinefrac.ui.metrics.addresses import EXTERNAL_PREFIX

#: Stands for the model's own out-of-fold predictions among the keys of its evaluations.
OUT_OF_FOLD = "out-of-fold"

#: Of the paired comparison. Its intervals use the standard error, which so many resamples estimate
#: within about 3 %; `spinefrac compare` draws four times as many.
N_RESAMPLES = 500
#: Of the metrics of one subgroup.
N_SUBGROUP_RESAMPLES = 1000
#: With more subgroups, intervals would take too long.
MAX_SUBGROUPS_WITH_INTERVALS = 20

#: Curves by name: the function of `evaluation.curves`, and the column it takes beside labels and
#: probabilities.
_CURVES: dict[str, tuple[Callable[..., Any], str]] = {
    "roc": (curves.roc_curve, ""),
    "roc_band": (curves.roc_curve_band, "folds"),
    "precision_recall": (curves.precision_recall_curve, ""),
    "precision_recall_band": (curves.precision_recall_curve_band, "folds"),
    "calibration": (curves.calibration_curve, "groups"),
    "spiegelhalter": (curves.spiegelhalter_test, "groups"),
    "decision_curve": (curves.decision_curve, "groups"),
}

_cached = st.cache_resource(max_entries=64, show_spinner=False)


def load_evaluation(model: SavedModel, evaluation_key: str) -> Evaluation:
    """Return a saved evaluation by its key."""
    return next(
        entry for entry in evaluations.list_evaluations(model) if entry.key == evaluation_key
    )


def list_evaluation_choices(models: Sequence[SavedModel]) -> dict[str, str]:
    """Return what all these models were evaluated on: key to label."""
    found = [
        {entry.key: entry.folder for entry in evaluations.list_evaluations(model)}
        for model in models
    ]
    shared = {key: name for key, name in found[0].items() if all(key in f for f in found)}
    names = list(shared.values())
    choices = {}
    if paired.have_same_training_data(models):
        choices[OUT_OF_FOLD] = "Cross-validation (out-of-fold)"
    for key, name in shared.items():
        suffix = f" ({key[:6]})" if names.count(name) > 1 else ""
        choices[key] = EXTERNAL_PREFIX + name + suffix
    return choices


def load_predictions(model: SavedModel, evaluation_key: str) -> SlicePredictions:
    """Return the predictions to evaluate."""
    return _load_predictions(_make_cache_key(model, evaluation_key), model, evaluation_key)


@_cached
def _load_predictions(
    key: tuple[str, ...], _model: SavedModel, _evaluation_key: str
) -> SlicePredictions:
    if _evaluation_key == OUT_OF_FOLD:
        return SlicePredictions.from_out_of_fold(_model.load_out_of_fold())
    return evaluations.load_predictions(load_evaluation(_model, _evaluation_key))


def _make_cache_key(model: SavedModel, evaluation_key: str) -> tuple[str, ...]:
    """Return what names the predictions of a model on one data set, in one home."""
    created = (
        "" if evaluation_key == OUT_OF_FOLD else load_evaluation(model, evaluation_key).created
    )
    return str(settings.home()), model.card_hash, evaluation_key, created


def get_metrics(model: SavedModel, evaluation_key: str) -> Metrics:
    """Return the metrics at the model's own threshold, as the card or the evaluation has them."""
    return (
        model.metrics
        if evaluation_key == OUT_OF_FOLD
        else load_evaluation(model, evaluation_key).metrics
    )


def load_metrics_calculator(model: SavedModel, evaluation_key: str) -> MetricsCalculator:
    """Return what gives the metrics at any threshold."""
    return _make_metrics_calculator(
        _make_cache_key(model, evaluation_key), load_predictions(model, evaluation_key)
    )


@_cached
def _make_metrics_calculator(
    key: tuple[str, ...], _predictions: SlicePredictions
) -> MetricsCalculator:
    return MetricsCalculator(_predictions.labels, _predictions.probabilities, _predictions.groups)


def load_curve(kind: str, model: SavedModel, evaluation_key: str) -> Any:
    """Return a curve by its name in `_CURVES`.

    Raises
    ------
    DatasetError
        The slices do not define it, for example if they are all of one class.
    """
    return _compute_curve(
        _make_cache_key(model, evaluation_key), kind, load_predictions(model, evaluation_key)
    )


@_cached
def _compute_curve(key: tuple[str, ...], kind: str, _predictions: SlicePredictions) -> Any:
    function, column = _CURVES[kind]
    further = (getattr(_predictions, column),) if column else ()
    return function(_predictions.labels, _predictions.probabilities, *further)


def compute_subgroup_metrics(
    model: SavedModel, evaluation_key: str, column: Sequence[str], threshold: float
) -> dict[str, Metrics]:
    """Return the metrics of each subgroup, by the value of its slices in `column`."""
    return _compute_subgroup_metrics(
        _make_cache_key(model, evaluation_key),
        load_predictions(model, evaluation_key),
        tuple(column),
        threshold,
    )


@_cached
def _compute_subgroup_metrics(
    key: tuple[str, ...], _predictions: SlicePredictions, column: tuple[str, ...], threshold: float
) -> dict[str, Metrics]:
    many = len(set(column)) > MAX_SUBGROUPS_WITH_INTERVALS
    return subgroups.metrics_by_subgroup(
        _predictions.labels,
        _predictions.probabilities,
        _predictions.groups,
        np.array(column),
        threshold,
        n_resamples=0 if many else N_SUBGROUP_RESAMPLES,
    )


def compute_patient_metrics(
    model: SavedModel, evaluation_key: str, pooling: str, threshold: float
) -> Metrics:
    """Return the metrics of patients, whose slices are pooled by ``max`` or ``mean``."""
    return _compute_patient_metrics(
        _make_cache_key(model, evaluation_key),
        load_predictions(model, evaluation_key),
        pooling,
        threshold,
    )


@_cached
def _compute_patient_metrics(
    key: tuple[str, ...], _predictions: SlicePredictions, pooling: str, threshold: float
) -> Metrics:
    pooled = patients.pool_by_patient(
        _predictions.labels, _predictions.probabilities, _predictions.groups, pooling
    )
    return compute_metrics(pooled.y_true, pooled.y_score, pooled.group_names, threshold)


def align_predictions(models: Sequence[SavedModel], evaluation_key: str) -> PairedPredictions:
    """Return the predictions of several models on the same slices."""
    key = tuple(_make_cache_key(model, evaluation_key) for model in models)
    return _align_predictions(
        key, list(models), {model.id: load_predictions(model, evaluation_key) for model in models}
    )


@_cached
def _align_predictions(
    key: tuple[tuple[str, ...], ...],
    _models: list[SavedModel],
    _predictions: dict[str, SlicePredictions],
) -> PairedPredictions:
    return paired.align_predictions(_models, _predictions)


def compare_pairs(models: Sequence[SavedModel], evaluation_key: str) -> tuple[PairComparison, ...]:
    """Compare every pair of models.

    Raises
    ------
    DatasetError
        The models cannot be compared on these slices.
    """
    return _compare_pairs(
        tuple(_make_cache_key(model, evaluation_key) for model in models),
        align_predictions(models, evaluation_key),
    )


@_cached
def _compare_pairs(
    key: tuple[tuple[str, ...], ...], _paired: PairedPredictions
) -> tuple[PairComparison, ...]:
    return compare_models(
        _paired.labels,
        _paired.probabilities,
        _paired.groups,
        _paired.thresholds,
        n_resamples=N_RESAMPLES,
    )
