"""Overview of one model: metrics, confusion matrix and curves at a threshold that can be moved."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st
from markupsafe import Markup

from spinefrac import wording
from spinefrac.access.policy import Action
from spinefrac.evaluation.metrics import Metrics
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout, metric_tables, visitor
from spinefrac.ui.common.templates import render_html
from spinefrac.ui.metrics import curves, data
from spinefrac.ui.metrics.charts import show_chart
from spinefrac.viz import metrics as metric_figures

#: Cells of the confusion matrix by label (row) and predicted class (column): the option of the
#: view Slices that a cell opens, and its key in `wording.CONFUSION_CELLS`.
CONFUSION_CELLS = (
    (("true-negatives", "tn"), ("false-positives", "fp")),
    (("false-negatives", "fn"), ("true-positives", "tp")),
)
_LABEL_TITLES = ("Label: no fracture", "Label: fracture")
#: Metrics below the confusion matrix: errors of the probability, and one correlation.
_OTHER_METRICS = ("brier", "ece", "log_loss", "mcc")


def get_threshold(model: SavedModel) -> float:
    """Return the threshold of the slider; the model's own, exactly, where it stands there."""
    chosen = float(st.session_state.get("t", round(model.threshold, 3)))
    return model.threshold if chosen == round(model.threshold, 3) else chosen


def show_threshold_slider(model: SavedModel) -> float:
    """Show the slider and return its threshold."""
    own = round(model.threshold, 3)
    st.slider(
        "Threshold (predicted fracture at or above)",
        0.0,
        1.0,
        min(max(own, 0.0), 1.0),
        step=0.001,
        format="%.3f",
        key="t",
        bind="query-params",
        help=f"Threshold of the model: {own:.3f}, chosen by the rule "
        f"{model.card.operating_point.rule}.",
    )
    threshold = get_threshold(model)
    if threshold != model.threshold:
        st.caption(
            f"The model itself uses its threshold of {own:.3f}. If you choose another one on "
            "these slices, the metrics below are too optimistic."
        )
    return threshold


def show_overview(model: SavedModel, evaluation_key: str, threshold: float) -> None:
    """Show everything that depends on the threshold."""
    metrics = (
        data.get_metrics(model, evaluation_key)
        if threshold == model.threshold
        else data.load_metrics_calculator(model, evaluation_key).at_threshold(threshold)
    )
    left, right = st.columns([1.15, 1], gap="medium")
    with left:
        st.html(render_metrics(metrics))
    with right:
        show_confusion_matrix(metrics, model.unit)
        st.html(render_other_metrics(metrics))
    left, right = st.columns(2, gap="medium")
    with left:
        curves.show_roc_curve([model], evaluation_key, metrics)
    with right:
        curves.show_precision_recall_curve([model], evaluation_key, metrics)
    st.header("Probabilities by class", anchor=False)
    predictions = data.load_predictions(model, evaluation_key)
    show_chart(
        metric_figures.plot_score_histogram(
            predictions.labels, predictions.probabilities, threshold
        ),
        f"{model.id}-probabilities",
        f"Histogram of the probabilities of {model.unit} with and without a fracture",
    )


def render_metrics(metrics: Metrics) -> Markup:
    """Return the card of the metrics that lie between 0 and 1, with their intervals."""
    rows = [
        replace(
            metric_tables.build_metric_row(
                wording.METRICS[key], getattr(metrics, key), metrics.ci.get(key)
            ),
            title=wording.METRICS[key].title,
        )
        for key in metric_tables.UNIT_INTERVAL_METRICS
    ]
    return render_html("metrics/metrics_card.html", rows=rows, notes=metrics.notes)


def render_other_metrics(metrics: Metrics) -> Markup:
    """Return the card of the errors of the probability and the correlation."""
    rows = [
        (wording.METRICS[key], getattr(metrics, key), metrics.ci.get(key)) for key in _OTHER_METRICS
    ]
    return render_html("metrics/other_metrics.html", rows=rows)


def show_confusion_matrix(metrics: Metrics, unit: str) -> None:
    """Show the confusion matrix; each cell is a button that opens its slices, if it has such."""
    is_of_scans = unit == "scans"
    with st.container(key="confusion-card", border=True):
        layout.show_card_title(
            "Confusion matrix of scans"
            if is_of_scans
            else "Confusion matrix: click a cell to see its slices"
        )
        for title, cells, counts in zip(
            _LABEL_TITLES, CONFUSION_CELLS, metrics.confusion_matrix, strict=True
        ):
            layout.show_label(title)
            total = sum(counts) or 1
            with st.container(key=f"confusion-row-{cells[0][0]}", horizontal=True):
                for (option, cell), count in zip(cells, counts, strict=True):
                    name = wording.CONFUSION_CELLS[cell][1]
                    text = f"**{count:,}** · {wording.format_percent(count / total)}\n{name}"
                    if visitor.button(
                        Action.REVIEW_LABELS,
                        text,
                        key=f"confusion-cell-{option}",
                        disabled=is_of_scans,
                        on_click=_open_cell_slices,
                        args=(option,),
                    ):
                        st.rerun(scope="app")


def _open_cell_slices(option: str) -> None:
    st.session_state["show"] = option
    st.session_state["view"] = "Slices"
