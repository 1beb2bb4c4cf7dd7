"""ROC, precision-recall, calibration and decision curves of one model or of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from spinefrac import wording
from spinefrac.evaluation.curves import CurveBand
from spinefrac.evaluation.metrics import Metrics
from spinefrac.store.repository import SavedModel
from spinefrac.ui.metrics import data
from spinefrac.ui.metrics.charts import compute_or_explain, show_chart
from spinefrac.viz import metrics as metric_figures


def show_roc_curve(
    models: Sequence[SavedModel], evaluation_key: str, metrics: Metrics | None = None
) -> None:
    """Show ROC curves, one a model.

    Parameters
    ----------
    models : sequence of SavedModel
    evaluation_key : str
        The evaluated slices, see `data.list_evaluation_choices`.
    metrics : Metrics, optional
        Of a single model at the threshold to mark; its curve then has the spread over folds.
    """
    st.header("ROC curve", anchor=False)
    curves = compute_or_explain(lambda: _load_curves("roc", models, evaluation_key))
    if curves is None:
        return
    point = None
    if metrics and metrics.specificity is not None and metrics.recall is not None:
        point = (1 - metrics.specificity, metrics.recall)
    show_chart(
        metric_figures.plot_roc_curve(
            curves, _load_band("roc_band", models, evaluation_key), point
        ),
        f"{_name_chart(models)}-roc",
        "ROC curve with the threshold marked" if point else "ROC curves of the models",
    )


def show_precision_recall_curve(
    models: Sequence[SavedModel], evaluation_key: str, metrics: Metrics | None = None
) -> None:
    """Show precision-recall curves, one a model; parameters as in `show_roc_curve`."""
    st.header("Precision-recall curve", anchor=False)
    curves = compute_or_explain(lambda: _load_curves("precision_recall", models, evaluation_key))
    if curves is None:
        return
    point = None
    if metrics and metrics.precision is not None and metrics.recall is not None:
        point = (metrics.recall, metrics.precision)
    prevalence = float(data.load_predictions(models[0], evaluation_key).labels.mean())
    band = _load_band("precision_recall_band", models, evaluation_key)
    show_chart(
        metric_figures.plot_precision_recall_curve(curves, prevalence, band, point),
        f"{_name_chart(models)}-precision-recall",
        "Precision-recall curve with the threshold marked"
        if point
        else "Precision-recall curves of the models",
    )


def show_calibration(models: Sequence[SavedModel], evaluation_key: str) -> None:
    """Show calibration and net benefit of one model or of several."""
    left, right = st.columns(2, gap="medium")
    with left:
        st.header("Calibration", anchor=False)
        bins = {model.id: data.load_curve("calibration", model, evaluation_key) for model in models}
        show_chart(
            metric_figures.plot_calibration_curve(bins),
            f"{_name_chart(models)}-calibration",
            "Observed share of fractures against the predicted probability",
        )
        if len(models) == 1:
            _show_calibration_test(models[0], evaluation_key)
    with right:
        st.header("Decision curve", anchor=False)
        benefit = {
            model.id: data.load_curve("decision_curve", model, evaluation_key) for model in models
        }
        show_chart(
            metric_figures.plot_decision_curve(benefit),
            f"{_name_chart(models)}-decision",
            "Net benefit of acting on the predictions, on all slices and on none",
        )
        st.caption(
            "Net benefit: detected fractures per slice, minus weighted false positives. At a "
            "threshold probability of 20 %, four false positives weigh as much as one false "
            "negative."
        )


def _show_calibration_test(model: SavedModel, evaluation_key: str) -> None:
    test = compute_or_explain(lambda: data.load_curve("spiegelhalter", model, evaluation_key))
    if test is None:
        return
    conclusion = (
        "the probabilities are miscalibrated (significant)"
        if test.p_groups < 0.05
        else "no sign of miscalibration"
    )
    st.caption(
        f"Spiegelhalter's test (by group): z = {test.z_groups:.2f}, "
        f"{wording.format_p_value(test.p_groups)}: {conclusion}. Temperature scaling with "
        f"T = {model.temperature:.2f}: {model.card.calibration.method}."
    )


def _load_curves(kind: str, models: Sequence[SavedModel], evaluation_key: str) -> dict[str, Any]:
    """Return the curve of each model by its name in the legend."""
    return {
        model.id if len(models) > 1 else "all slices": data.load_curve(kind, model, evaluation_key)
        for model in models
    }


def _load_band(kind: str, models: Sequence[SavedModel], evaluation_key: str) -> CurveBand | None:
    """Return the spread over folds of a single model's out-of-fold curve, else None."""
    if len(models) > 1 or evaluation_key != data.OUT_OF_FOLD:
        return None
    band: CurveBand = data.load_curve(kind, models[0], evaluation_key)
    return band


def _name_chart(models: Sequence[SavedModel]) -> str:
    return models[0].id if len(models) == 1 else "models"
