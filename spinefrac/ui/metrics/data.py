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
from spinefrac.evaluation.compare import PairComparison, compare
from spinefrac.evaluation.metrics import Measurement, Metrics, summarize
from spinefrac.store import evaluations, paired
from spinefrac.store.evaluations import Answers, Evaluation
from spinefrac.store.paired import SideBySide
from spinefrac.store.repository import SavedModel

#: Stands for the model's own out-of-fold answers among the keys of its evaluations.
OUT_OF_FOLD = "out-of-fold"

#: Of the paired comparison. Its intervals rest on the standard error, which this many tell within
#: about 3 %; `spinefrac compare` draws four times as many.
RESAMPLES = 500

_keep = st.cache_resource(max_entries=64, show_spinner=False)


def evaluation(model: SavedModel, on: str) -> Evaluation:
    """Return a kept evaluation by its key."""
    return next(entry for entry in evaluations.list_evaluations(model) if entry.key == on)


def choices(models: Sequence[SavedModel]) -> dict[str, str]:
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
    own = paired.same_training_data(models)
    return ({OUT_OF_FOLD: "Training data, out-of-fold"} if own else {}) | common


def answers(model: SavedModel, on: str) -> Answers:
    """Return the answers to measure."""
    stamp = "" if on == OUT_OF_FOLD else evaluation(model, on).created
    return _answers(model, model.card_hash, on, stamp)


@_keep
def _answers(_model: SavedModel, card: str, on: str, stamp: str) -> Answers:
    if on == OUT_OF_FOLD:
        return Answers.out_of_fold(_model.oof())
    return evaluations.answers(evaluation(_model, on))


def _key(model: SavedModel, on: str) -> tuple[str, ...]:
    stamp = "" if on == OUT_OF_FOLD else evaluation(model, on).created
    return str(settings.home()), model.card_hash, on, stamp


def measured(model: SavedModel, on: str) -> Metrics:
    """Return the metrics at the model's own threshold, as the card or the evaluation has them."""
    return model.metrics if on == OUT_OF_FOLD else evaluation(model, on).metrics


def measurement(model: SavedModel, on: str) -> Measurement:
    """Return what metrics at any threshold are read off from."""
    return _measurement(_key(model, on), answers(model, on))


@_keep
def _measurement(key: tuple[str, ...], _answers: Answers) -> Measurement:
    return Measurement(_answers.labels, _answers.probabilities, _answers.groups)


def curve(kind: str, model: SavedModel, on: str) -> Any:
    """Return a curve by its name in `evaluation.curves`; DatasetError where it has none."""
    return _curve(_key(model, on), kind, answers(model, on))


@_keep
def _curve(key: tuple[str, ...], kind: str, _answers: Answers) -> Any:
    function = getattr(curves, kind)
    columns: list[Any] = [_answers.labels, _answers.probabilities]
    if kind.endswith("_band"):
        columns.append(_answers.folds)
    elif kind not in ("roc", "precision_recall"):
        columns.append(_answers.groups)
    return function(*columns)


def by_part(
    model: SavedModel, on: str, column: Sequence[str], threshold: float
) -> dict[str, Metrics]:
    """Measure each part of the slices by itself."""
    return _by_part(_key(model, on), answers(model, on), tuple(column), threshold)


@_keep
def _by_part(
    key: tuple[str, ...], _answers: Answers, column: tuple[str, ...], threshold: float
) -> dict[str, Metrics]:
    many = len(set(column)) > 20
    return subgroups.by_part(
        _answers.labels,
        _answers.probabilities,
        _answers.groups,
        np.array(column),
        threshold,
        resamples=0 if many else 1000,
    )


def by_patient(model: SavedModel, on: str, pooling: str, threshold: float) -> Metrics:
    """Measure patients instead of slices."""
    return _by_patient(_key(model, on), answers(model, on), pooling, threshold)


@_keep
def _by_patient(key: tuple[str, ...], _answers: Answers, pooling: str, threshold: float) -> Metrics:
    pooled = patients.by_patient(_answers.labels, _answers.probabilities, _answers.groups, pooling)
    return summarize(pooled.labels, pooled.probabilities, pooled.names, threshold)


def together(models: Sequence[SavedModel], on: str) -> SideBySide:
    """Return the answers of several models on the same slices."""
    key = tuple(_key(model, on) for model in models)
    return _together(key, list(models), {model.id: answers(model, on) for model in models})


@_keep
def _together(
    key: tuple[tuple[str, ...], ...], _models: list[SavedModel], _answers: dict[str, Answers]
) -> SideBySide:
    return paired.align(_models, _answers)


def comparison(models: Sequence[SavedModel], on: str) -> tuple[PairComparison, ...]:
    """Compare every pair of models; DatasetError where that cannot be done."""
    return _comparison(tuple(_key(model, on) for model in models), together(models, on))


@_keep
def _comparison(
    key: tuple[tuple[str, ...], ...], _shared: SideBySide
) -> tuple[PairComparison, ...]:
    return compare(
        _shared.labels,
        _shared.probabilities,
        _shared.groups,
        _shared.thresholds,
        resamples=RESAMPLES,
    )
