"""Metrics of one model: overview with a movable threshold, calibration, training, parts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import PurePosixPath

import pandas as pd
import streamlit as st

from spinefrac import wording
from spinefrac.evaluation import subgroups
from spinefrac.evaluation.metrics import Metrics
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import metric_tables
from spinefrac.ui.metrics import data
from spinefrac.ui.metrics.charts import compute_or_explain, show_chart
from spinefrac.viz import heatmap
from spinefrac.viz import metrics as metric_figures
from spinefrac.wording import METRICS

#: Metrics of the small table: errors of the probability, and the correlation.
TABLE_METRICS = ("brier", "ece", "log_loss", "mcc")

#: Cells of the confusion matrix, by truth and answer: key, name, title.
CONFUSION_CELLS = (
    (("true-negatives", "rightly cleared"), ("false-positives", "false alarms")),
    (("false-negatives", "missed fractures"), ("true-positives", "found fractures")),
)
TRUE_CLASS_TITLES = ("Truth: no fracture", "Truth: fracture")


def get_threshold(model: SavedModel) -> float:
    """Return the threshold that the slider stands at; the model's own, exactly, where it is."""
    chosen = float(st.session_state.get("t", round(model.threshold, 3)))
    return model.threshold if chosen == round(model.threshold, 3) else chosen


def show_threshold_slider(model: SavedModel) -> float:
    """Show the slider and return the threshold that it stands at."""
    own = round(model.threshold, 3)
    st.slider(
        "Threshold: a slice is called a fracture at or above it",
        0.0,
        1.0,
        min(max(own, 0.0), 1.0),
        step=0.001,
        format="%.3f",
        key="t",
        bind="query-params",
        help=f"The model's own is {own:.3f}, by the rule {model.card.operating_point.rule}.",
    )
    threshold = get_threshold(model)
    if threshold != model.threshold:
        st.caption(
            f"The model answers with its own threshold of {own:.3f}. One that was chosen by "
            "looking at these very slices flatters the numbers below."
        )
    return threshold


# --- overview --------------------------------------------------------------------------


def show_overview(model: SavedModel, evaluation_key: str, threshold: float) -> None:
    """Show everything that the threshold moves."""
    same = threshold == model.threshold
    metrics = (
        data.get_metrics(model, evaluation_key)
        if same
        else data.load_measurement(model, evaluation_key).at_threshold(threshold)
    )
    left, right = st.columns([1.15, 1], gap="medium")
    with left:
        st.html(_render_metrics(metrics))
    with right:
        show_confusion_matrix(metrics)
        st.html(_render_losses(metrics))
    for column, draw in zip(
        st.columns(2, gap="medium"), (_show_roc, _show_precision_recall), strict=True
    ):
        with column:
            draw(model, evaluation_key, metrics)
    st.subheader("Probabilities by class", anchor=False)
    found = data.load_predictions(model, evaluation_key)
    show_chart(
        heatmap.plot_score_histogram(found.labels, found.probabilities, threshold),
        f"{model.id}-probabilities",
        "Histogram of the probabilities of slices with and without a fracture",
    )


def _render_metrics(metrics: Metrics) -> str:
    rates = "".join(
        metric_tables.render_metric(name, metrics) for name in metric_tables.UNIT_INTERVAL_METRICS
    )
    notes = "".join(f'<p class="sf-note">{escape(note)}</p>' for note in metrics.notes)
    return (
        '<section class="sf-card sf-metrics-wide" aria-label="Metrics"><div class="sf-card-title">Metrics '
        f'with 95 % intervals</div><div class="sf-metrics">{rates}</div>{notes}</section>'
    )


def _render_losses(metrics: Metrics) -> str:
    rows = "".join(
        f"<tr><td>{METRICS[name].title}</td>"
        f"<td class='number'>{wording.format_number(getattr(metrics, name))}</td>"
        f"<td class='number'>{wording.format_interval(metrics.ci.get(name))}</td></tr>"
        for name in TABLE_METRICS
    )
    return (
        '<section class="sf-card"><div class="sf-card-title">Errors of the probability (less is '
        f'better), and correlation (more is)</div><table class="sf-table">{rows}</table></section>'
    )


def show_confusion_matrix(metrics: Metrics) -> None:
    """Show the confusion matrix; each cell is a button that opens its slices."""
    with st.container(key="confusion-card", border=True):
        st.html('<div class="sf-card-title">Slices; a cell opens its own</div>')
        for truth, cells, counts in zip(
            TRUE_CLASS_TITLES, CONFUSION_CELLS, metrics.confusion_matrix, strict=True
        ):
            st.html(f'<div class="sf-label">{truth}</div>')
            total = sum(counts) or 1
            with st.container(key=f"confusion-row-{cells[0][0]}", horizontal=True):
                for (key, name), count in zip(cells, counts, strict=True):
                    label = f"**{count:,}** · {wording.format_percent(count / total)}\n{name}"
                    if st.button(
                        label, key=f"confusion-cell-{key}", on_click=_open_cell_slices, args=(key,)
                    ):
                        st.rerun(scope="app")


def _open_cell_slices(key: str) -> None:
    st.session_state["show"] = key
    st.session_state["view"] = "Slices"


def _show_roc(model: SavedModel, evaluation_key: str, metrics: Metrics) -> None:
    st.subheader("ROC", anchor=False)
    curve = compute_or_explain(lambda: data.load_curve("roc_curve", model, evaluation_key))
    if curve is None or metrics.specificity is None or metrics.recall is None:
        return
    band = (
        data.load_curve("roc_curve_band", model, evaluation_key)
        if evaluation_key == data.OUT_OF_FOLD
        else None
    )
    point = (1 - metrics.specificity, metrics.recall)
    show_chart(
        metric_figures.plot_roc_curve({"all slices": curve}, band, point),
        f"{model.id}-roc",
        "ROC curve with the threshold marked",
    )


def _show_precision_recall(model: SavedModel, evaluation_key: str, metrics: Metrics) -> None:
    st.subheader("Precision and recall", anchor=False)
    curve = compute_or_explain(
        lambda: data.load_curve("precision_recall_curve", model, evaluation_key)
    )
    if curve is None:
        return
    band = (
        data.load_curve("precision_recall_curve_band", model, evaluation_key)
        if evaluation_key == data.OUT_OF_FOLD
        else None
    )
    (_, _), (missed, found) = metrics.confusion_matrix
    defined = metrics.precision is not None and metrics.recall is not None
    show_chart(
        metric_figures.plot_precision_recall_curve(
            {"all slices": curve},
            (missed + found) / metrics.n,
            band,
            (metrics.recall or 0.0, metrics.precision or 0.0) if defined else None,
        ),
        f"{model.id}-precision-recall",
        "Precision-recall curve with the threshold marked",
    )


# --- calibration and benefit -------------------------------------------------------------


def show_calibration(model: SavedModel, evaluation_key: str) -> None:
    """Show whether the probabilities mean what they say, and what acting on them is worth."""
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Calibration", anchor=False)
        show_chart(
            metric_figures.plot_calibration_curve(
                {model.id: data.load_curve("calibration_curve", model, evaluation_key)}
            ),
            f"{model.id}-calibration",
            "Observed share of fractures against the predicted probability",
        )
        test = compute_or_explain(
            lambda: data.load_curve("spiegelhalter_test", model, evaluation_key)
        )
        if test is not None:
            verdict = (
                "the probabilities are off by more than chance"
                if test.p_groups < 0.05
                else "no sign that the probabilities are off"
            )
            st.caption(
                f"Spiegelhalter's test with whole groups: z = {test.z_groups:.2f}, "
                f"p = {test.p_groups:.3f}: {verdict}. Calibrated with "
                f"temperature {model.temperature:.2f}: {model.card.calibration.method}."
            )
    with right:
        st.subheader("Decision curve", anchor=False)
        show_chart(
            metric_figures.plot_decision_curve(
                {model.id: data.load_curve("decision_curve", model, evaluation_key)}
            ),
            f"{model.id}-decision",
            "Net benefit of acting on the model, on all and on none",
        )
        st.caption(
            "Net benefit in found fractures a slice. At a threshold probability of 20 % four "
            "false alarms are as bad as one missed fracture."
        )


# --- training --------------------------------------------------------------------------


@st.cache_resource(max_entries=16, show_spinner=False)
def _build_training_figures(_model: SavedModel, card_hash: str) -> tuple[object, object]:
    return metric_figures.plot_training_history(_model.load_history())


def show_training_curves(model: SavedModel) -> None:
    """Show loss and held-out AUC over the epochs."""
    figures = _build_training_figures(model, model.card_hash)
    titles = ("Loss", "AUC on held-out patients")
    for column, figure, title, name in zip(
        st.columns(2, gap="medium"), figures, titles, ("loss", "auc"), strict=True
    ):
        with column:
            st.subheader(title, anchor=False)
            show_chart(
                figure, f"{model.id}-{name}", f"{title} by epoch, mean and range of the folds"
            )
    st.caption(
        "Held-out patients are looked at only: no epoch and no setting was chosen by them. "
        f"Folds trained {', '.join(str(fold.epochs) for fold in model.card.folds)} epochs."
    )


# --- parts of the slices -----------------------------------------------------------------

SUBGROUP_METRICS = ("auc", "recall", "specificity", "precision", "f1", "brier")


def show_subgroups(model: SavedModel, evaluation_key: str, threshold: float) -> None:
    """Show the metrics by patient, by fold, by group and by any other column."""
    found = data.load_predictions(model, evaluation_key)
    st.subheader("By patient", anchor=False)
    pooled = {
        f"{pooling} of a patient's slices": data.compute_patient_metrics(
            model, evaluation_key, pooling, threshold
        )
        for pooling in ("max", "mean")
    }
    _show_metrics_table(pooled, "pooling")
    st.caption("One score a group. It is not calibrated, and the threshold is that for slices.")
    if found.folds is not None:
        st.subheader("By fold", anchor=False)
        folds = data.compute_subgroup_metrics(
            model, evaluation_key, [f"{fold + 1}" for fold in found.folds], threshold
        )
        _show_metrics_table(folds, "fold")
        auc = subgroups.metric_spread(folds.values()).get("auc")
        if auc is not None and auc.sd is not None:
            st.caption(
                f"AUC over {auc.n_subgroups} folds: mean {auc.mean:.3f}, standard deviation "
                f"{auc.sd:.3f}. It says how much one training differs from another, and is no "
                "standard error."
            )
    st.subheader("By subgroup", anchor=False)
    columns = _derive_columns(found.paths, found.groups.tolist())
    columns |= {name: list(values) for name, values in found.subgroups.items()}
    columns |= _load_uploaded_columns(found.paths)
    chosen = st.selectbox("Column", list(columns), key="column", bind="query-params")
    column = columns[chosen]
    if len(set(column)) > 500:
        st.info(f"{chosen} has {len(set(column)):,} values; a table of parts holds 500.")
        return
    _show_metrics_table(
        data.compute_subgroup_metrics(model, evaluation_key, column, threshold), chosen
    )
    if len(set(column)) > 20:
        st.caption("More than 20 parts: without intervals.")


def _derive_columns(paths: Sequence[str], groups: Sequence[str]) -> dict[str, list[str]]:
    """Return what path and group say of each slice, as columns by name."""
    pure = [PurePosixPath(path) for path in paths]
    return {
        "group": list(groups),
        "folder": ["/".join(path.parts[:-1]) or "." for path in pure],
        "file type": [path.suffix.lower() or "none" for path in pure],
    }


def _load_uploaded_columns(paths: Sequence[str]) -> dict[str, list[str]]:
    """Let the user bring columns such as scanner or size, joined by the slice's path."""
    with st.expander("Bring a column of your own: scanner, series, size …"):
        file = st.file_uploader(
            "CSV with a column `path` and others", type="csv", key="subgroup-upload"
        )
    if file is None:
        return {}
    table = pd.read_csv(file, dtype=str).fillna("none")
    if "path" not in table:
        st.info("The CSV needs a column named path, with the paths of the table of slices.")
        return {}
    table = table.drop_duplicates("path").set_index("path").reindex(paths).fillna("none")
    return {str(name): table[name].tolist() for name in table.columns}


def _show_metrics_table(metrics_by_subgroup: dict[str, Metrics], title: str) -> None:
    """Show one line a part: values to sort by, shown with their intervals."""
    names = {key: METRICS[key].short_title for key in SUBGROUP_METRICS}
    rows = [
        {
            title: part,
            "slices": metrics.n,
            "fractures": sum(metrics.confusion_matrix[1]),
            "groups": metrics.groups,
            **{names[key]: getattr(metrics, key) for key in SUBGROUP_METRICS},
        }
        for part, metrics in metrics_by_subgroup.items()
    ]
    frame = pd.DataFrame(rows).astype(dict.fromkeys(names.values(), float))
    styler = frame.style.format("{:.3f}", subset=list(names.values()), na_rep="–")
    for row, metrics in enumerate(metrics_by_subgroup.values()):
        for key, words in names.items():
            if span := metrics.ci.get(key):
                styler = styler.format(
                    "{:.3f} (" + wording.format_interval(span, 2) + ")",
                    subset=pd.IndexSlice[[row], [words]],
                    na_rep="–",
                )
    st.dataframe(styler, hide_index=True, placeholder="–")
