"""What the Metrics page computes once and keeps: answers, measurements, curves, comparisons.

Everything is kept by the SHA-256 of the model's card, so a model trained anew under its name
starts afresh.
"""

from __future__ import annotations

from collections.abc import Sequence
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

#: Stands for the model's own out-of-fold answers among the keys of its evaluations.
OUT_OF_FOLD = "out-of-fold"

#: Of the paired comparison. Its intervals rest on the standard error, which this many tell within
#: about 3 %; `spinefrac compare` draws four times as many.
N_RESAMPLES = 500

_cached = st.cache_resource(max_entries=64, show_spinner=False)


def load_evaluation(model: SavedModel, evaluation_key: str) -> Evaluation:
    """Return a kept evaluation by its key."""
    return next(
        entry for entry in evaluations.list_evaluations(model) if entry.key == evaluation_key
    )


def list_evaluation_choices(models: Sequence[SavedModel]) -> dict[str, str]:
    """Return what all these models were measured on: key to words."""
    found = [
        {entry.key: entry.folder for entry in evaluations.list_evaluations(model)}
        for model in models
    ]
    kept = {key: name for key, name in found[0].items() if all(key in f for f in found)}
    names = list(kept.values())
    common = {
        key: f"Slices of {name}" + (f" ({key[:6]})" if names.count(name) > 1 else "")
        for key, name in kept.items()
    }
    own = paired.have_same_training_data(models)
    return ({OUT_OF_FOLD: "Training data, out-of-fold"} if own else {}) | common


def load_predictions(model: SavedModel, evaluation_key: str) -> SlicePredictions:
    """Return the answers to measure."""
    stamp = "" if evaluation_key == OUT_OF_FOLD else load_evaluation(model, evaluation_key).created
    return _load_predictions(model, model.card_hash, evaluation_key, stamp)


@_cached
def _load_predictions(
    _model: SavedModel, card_hash: str, evaluation_key: str, created: str
) -> SlicePredictions:
    if evaluation_key == OUT_OF_FOLD:
        return SlicePredictions.from_out_of_fold(_model.load_out_of_fold())
    return evaluations.load_predictions(load_evaluation(_model, evaluation_key))


def _make_cache_key(model: SavedModel, evaluation_key: str) -> tuple[str, ...]:
    stamp = "" if evaluation_key == OUT_OF_FOLD else load_evaluation(model, evaluation_key).created
    return str(settings.home()), model.card_hash, evaluation_key, stamp


def get_metrics(model: SavedModel, evaluation_key: str) -> Metrics:
    """Return the metrics at the model's own threshold, as the card or the evaluation has them."""
    return (
        model.metrics
        if evaluation_key == OUT_OF_FOLD
        else load_evaluation(model, evaluation_key).metrics
    )


def load_measurement(model: SavedModel, evaluation_key: str) -> MetricsCalculator:
    """Return what metrics at any threshold are read off from."""
    return _compute_measurement(
        _make_cache_key(model, evaluation_key), load_predictions(model, evaluation_key)
    )


@_cached
def _compute_measurement(key: tuple[str, ...], _predictions: SlicePredictions) -> MetricsCalculator:
    return MetricsCalculator(_predictions.labels, _predictions.probabilities, _predictions.groups)


def load_curve(kind: str, model: SavedModel, evaluation_key: str) -> Any:
    """Return a curve by its name in `evaluation.curves`; DatasetError where it has none."""
    return _compute_curve(
        _make_cache_key(model, evaluation_key), kind, load_predictions(model, evaluation_key)
    )


@_cached
def _compute_curve(key: tuple[str, ...], kind: str, _predictions: SlicePredictions) -> Any:
    function = getattr(curves, kind)
    columns: list[Any] = [_predictions.labels, _predictions.probabilities]
    if kind.endswith("_band"):
        columns.append(_predictions.folds)
    elif kind not in ("roc_curve", "precision_recall_curve"):
        columns.append(_predictions.groups)
    return function(*columns)


def compute_subgroup_metrics(
    model: SavedModel, evaluation_key: str, column: Sequence[str], threshold: float
) -> dict[str, Metrics]:
    """Measure each part of the slices by itself."""
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
    many = len(set(column)) > 20
    return subgroups.metrics_by_subgroup(
        _predictions.labels,
        _predictions.probabilities,
        _predictions.groups,
        np.array(column),
        threshold,
        n_resamples=0 if many else 1000,
    )


def compute_patient_metrics(
    model: SavedModel, evaluation_key: str, pooling: str, threshold: float
) -> Metrics:
    """Measure patients instead of slices."""
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
    """Return the answers of several models on the same slices."""
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
    """Compare every pair of models; DatasetError where that cannot be done."""
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
