"""Metrics of one model: overview with a movable threshold, calibration, training, parts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import PurePosixPath

import pandas as pd
import streamlit as st

from spinefrac.evaluation import subgroups
from spinefrac.evaluation.metrics import Metrics
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout, metric_tables
from spinefrac.ui.metrics import data
from spinefrac.ui.metrics.charts import chart, or_reason
from spinefrac.viz import heatmap
from spinefrac.viz import metrics as metric_figures

#: Errors of the probability, of which less is better.
ERRORS = {"brier": "Brier score", "ece": "Calibration error", "log_loss": "Log loss"}
OTHERS = {"mcc": "Matthews correlation"}

#: Cells of the confusion matrix, by truth and answer: key, name, title.
CELLS = (
    (("passed", "rightly cleared"), ("alarms", "false alarms")),
    (("missed", "missed fractures"), ("found", "found fractures")),
)
TRUTHS = ("Truth: no fracture", "Truth: fracture")


def threshold_of(model: SavedModel) -> float:
    """Return the threshold that the slider stands at; the model's own, exactly, where it is."""
    chosen = float(st.session_state.get("t", round(model.threshold, 3)))
    return model.threshold if chosen == round(model.threshold, 3) else chosen


def threshold_slider(model: SavedModel) -> float:
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
    threshold = threshold_of(model)
    if threshold != model.threshold:
        st.caption(
            f"The model answers with its own threshold of {own:.3f}. One that was chosen by "
            "looking at these very slices flatters the numbers below."
        )
    return threshold


# --- overview --------------------------------------------------------------------------


def overview(model: SavedModel, on: str, threshold: float) -> None:
    """Show everything that the threshold moves."""
    same = threshold == model.threshold
    metrics = data.measured(model, on) if same else data.measurement(model, on).at(threshold)
    left, right = st.columns([1.15, 1], gap="medium")
    with left:
        st.html(_rates(metrics))
    with right:
        confusion(metrics)
        st.html(_errors(metrics))
    for column, draw in zip(st.columns(2, gap="medium"), (_roc, _precision_recall), strict=True):
        with column:
            draw(model, on, metrics)
    st.subheader("Probabilities by class", anchor=False)
    found = data.answers(model, on)
    chart(
        heatmap.out_of_fold(found.labels, found.probabilities, threshold),
        f"{model.id}-probabilities",
        "Histogram of the probabilities of slices with and without a fracture",
    )


def _rates(metrics: Metrics) -> str:
    rates = "".join(metric_tables.rate(name, metrics) for name in metric_tables.RATES)
    notes = "".join(f'<p class="sf-note">{escape(note)}</p>' for note in metrics.notes)
    return (
        '<section class="sf-card sf-wide" aria-label="Metrics"><div class="sf-eyebrow">Metrics '
        f'with 95 % intervals</div><div class="sf-rates">{rates}</div>{notes}</section>'
    )


def _errors(metrics: Metrics) -> str:
    rows = "".join(
        f"<tr><td>{title}</td><td class='number'>{layout.number(getattr(metrics, name))}</td>"
        f"<td class='number'>{layout.number_range(metrics.ci.get(name))}</td></tr>"
        for name, title in (ERRORS | OTHERS).items()
    )
    return (
        '<section class="sf-card"><div class="sf-eyebrow">Errors of the probability (less is '
        f'better), and correlation (more is)</div><table class="sf-table">{rows}</table></section>'
    )


def confusion(metrics: Metrics) -> None:
    """Show the confusion matrix; each cell is a button that opens its slices."""
    with st.container(key="confusion-card", border=True):
        st.html('<div class="sf-eyebrow">Slices; a cell opens its own</div>')
        for truth, cells, counts in zip(TRUTHS, CELLS, metrics.confusion_matrix, strict=True):
            st.html(f'<div class="sf-label">{truth}</div>')
            total = sum(counts) or 1
            with st.container(key=f"confusion-{cells[0][0]}", horizontal=True):
                for (key, name), count in zip(cells, counts, strict=True):
                    label = f"**{count:,}** · {layout.percent(count / total)}\n{name}"
                    if st.button(label, key=f"cell-{key}", on_click=_open_cell, args=(key,)):
                        st.rerun(scope="app")


def _open_cell(key: str) -> None:
    st.session_state["show"] = key
    st.session_state["view"] = "Slices"


def _roc(model: SavedModel, on: str, metrics: Metrics) -> None:
    st.subheader("ROC", anchor=False)
    curve = or_reason(lambda: data.curve("roc", model, on))
    if curve is None or metrics.specificity is None or metrics.recall is None:
        return
    band = data.curve("roc_band", model, on) if on == data.OUT_OF_FOLD else None
    point = (1 - metrics.specificity, metrics.recall)
    chart(
        metric_figures.roc({"all slices": curve}, band, point),
        f"{model.id}-roc",
        "ROC curve with the threshold marked",
    )


def _precision_recall(model: SavedModel, on: str, metrics: Metrics) -> None:
    st.subheader("Precision and recall", anchor=False)
    curve = or_reason(lambda: data.curve("precision_recall", model, on))
    if curve is None:
        return
    band = data.curve("precision_recall_band", model, on) if on == data.OUT_OF_FOLD else None
    (_, _), (missed, found) = metrics.confusion_matrix
    defined = metrics.precision is not None and metrics.recall is not None
    chart(
        metric_figures.precision_recall(
            {"all slices": curve},
            (missed + found) / metrics.n,
            band,
            (metrics.recall or 0.0, metrics.precision or 0.0) if defined else None,
        ),
        f"{model.id}-precision-recall",
        "Precision-recall curve with the threshold marked",
    )


# --- calibration and benefit -------------------------------------------------------------


def calibration(model: SavedModel, on: str) -> None:
    """Show whether the probabilities mean what they say, and what acting on them is worth."""
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Calibration", anchor=False)
        chart(
            metric_figures.calibration({model.id: data.curve("calibration", model, on)}),
            f"{model.id}-calibration",
            "Observed share of fractures against the predicted probability",
        )
        test = or_reason(lambda: data.curve("spiegelhalter", model, on))
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
        chart(
            metric_figures.decision({model.id: data.curve("decision_curve", model, on)}),
            f"{model.id}-decision",
            "Net benefit of acting on the model, on all and on none",
        )
        st.caption(
            "Net benefit in found fractures a slice. At a threshold probability of 20 % four "
            "false alarms are as bad as one missed fracture."
        )


# --- training --------------------------------------------------------------------------


@st.cache_resource(max_entries=16, show_spinner=False)
def _history(_model: SavedModel, card: str) -> tuple[object, object]:
    return metric_figures.training(_model.history())


def training(model: SavedModel) -> None:
    """Show loss and held-out AUC over the epochs."""
    figures = _history(model, model.card_hash)
    titles = ("Loss", "AUC on held-out patients")
    for column, figure, title, name in zip(
        st.columns(2, gap="medium"), figures, titles, ("loss", "auc"), strict=True
    ):
        with column:
            st.subheader(title, anchor=False)
            chart(figure, f"{model.id}-{name}", f"{title} by epoch, mean and range of the folds")
    st.caption(
        "Held-out patients are looked at only: no epoch and no setting was chosen by them. "
        f"Folds trained {', '.join(str(fold.epochs) for fold in model.card.folds)} epochs."
    )


# --- parts of the slices -----------------------------------------------------------------

TABLE = ("auc", "recall", "specificity", "precision", "f1", "brier")


def by_parts(model: SavedModel, on: str, threshold: float) -> None:
    """Show the metrics by patient, by fold, by group and by any other column."""
    found = data.answers(model, on)
    st.subheader("By patient", anchor=False)
    pooled = {
        f"{pooling} of a patient's slices": data.by_patient(model, on, pooling, threshold)
        for pooling in ("max", "mean")
    }
    _table(pooled, "pooling")
    st.caption("One score a group. It is not calibrated, and the threshold is that for slices.")
    if found.folds is not None:
        st.subheader("By fold", anchor=False)
        folds = data.by_part(model, on, [f"{fold + 1}" for fold in found.folds], threshold)
        _table(folds, "fold")
        auc = subgroups.spread(folds.values()).get("auc")
        if auc is not None and auc.sd is not None:
            st.caption(
                f"AUC over {auc.parts} folds: mean {auc.mean:.3f}, standard deviation "
                f"{auc.sd:.3f}. It says how much one training differs from another, and is no "
                "standard error."
            )
    st.subheader("By subgroup", anchor=False)
    columns = _columns(found.paths, found.groups.tolist())
    columns |= {name: list(values) for name, values in found.subgroups.items()}
    columns |= _uploaded(found.paths)
    chosen = st.selectbox("Column", list(columns), key="column", bind="query-params")
    column = columns[chosen]
    if len(set(column)) > 500:
        st.info(f"{chosen} has {len(set(column)):,} values; a table of parts holds 500.")
        return
    _table(data.by_part(model, on, column, threshold), chosen)
    if len(set(column)) > 20:
        st.caption("More than 20 parts: without intervals.")


def _columns(paths: Sequence[str], groups: Sequence[str]) -> dict[str, list[str]]:
    """Return what path and group say of each slice, as columns by name."""
    pure = [PurePosixPath(path) for path in paths]
    return {
        "group": list(groups),
        "folder": ["/".join(path.parts[:-1]) or "." for path in pure],
        "file type": [path.suffix.lower() or "none" for path in pure],
    }


def _uploaded(paths: Sequence[str]) -> dict[str, list[str]]:
    """Let the user bring columns such as scanner or size, joined by the slice's path."""
    with st.expander("Bring a column of your own: scanner, series, size …"):
        file = st.file_uploader("CSV with a column `path` and others", type="csv", key="subgroups")
    if file is None:
        return {}
    table = pd.read_csv(file, dtype=str).fillna("none")
    if "path" not in table:
        st.info("The CSV needs a column named path, with the paths of the table of slices.")
        return {}
    table = table.drop_duplicates("path").set_index("path").reindex(paths).fillna("none")
    return {str(name): table[name].tolist() for name in table.columns}


def _table(measured: dict[str, Metrics], title: str) -> None:
    """Show one line a part: values to sort by, shown with their intervals."""
    names = {
        key: (ERRORS | {k: v[0] for k, v in metric_tables.RATES.items()})[key] for key in TABLE
    }
    rows = [
        {
            title: part,
            "slices": metrics.n,
            "fractures": sum(metrics.confusion_matrix[1]),
            "groups": metrics.groups,
            **{names[key]: getattr(metrics, key) for key in TABLE},
        }
        for part, metrics in measured.items()
    ]
    frame = pd.DataFrame(rows).astype(dict.fromkeys(names.values(), float))
    styler = frame.style.format("{:.3f}", subset=list(names.values()), na_rep="–")
    for row, metrics in enumerate(measured.values()):
        for key, words in names.items():
            if span := metrics.ci.get(key):
                styler = styler.format(
                    "{:.3f} (" + layout.number_range(span, 2) + ")",
                    subset=pd.IndexSlice[[row], [words]],
                    na_rep="–",
                )
    st.dataframe(styler, hide_index=True, placeholder="–")
