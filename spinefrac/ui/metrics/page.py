"""Metrics: what saved models got right on slices that they had not seen, one or several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from spinefrac import report, settings
from spinefrac.data import data_roots
from spinefrac.report import html, pdf
from spinefrac.store.repository import DamagedModel, SavedModel
from spinefrac.ui.common import layout, metric_tables
from spinefrac.ui.metrics import comparison, data, new_evaluation, single, slices
from spinefrac.ui.metrics.data import OUT_OF_FOLD

ONE = ("Overview", "Calibration", "Training", "Parts", "Slices", "New slices")
SEVERAL = ("Table", "Calibration", "Differences", "Disagreement", "Settings")
#: Views of one model whose content the threshold moves.
MOVED = ("Overview", "Parts", "Slices")
AUDIT = {
    "ok": "The data set was audited: nothing was found that would flatter these numbers.",
    "caution": "The audit of the data set advises caution; these numbers may be flattered.",
    "unusable": "The audit found the data set unusable: do not believe these numbers.",
    "unknown": "Imported: what the model was trained on is not known, and was not audited.",
}


def choose() -> list[SavedModel]:
    """Let the user choose models; those that are damaged are named with the reason."""
    models, _ = layout.listed()
    if not models:
        layout.no_model()
        return []
    for model in models:
        if isinstance(model, DamagedModel):
            st.error(layout.plain(layout.sentence(model.reason)), icon=":material/error:")
    usable = {model.id: model for model in models if isinstance(model, SavedModel)}
    if not usable:
        return []
    chosen = st.multiselect(
        "Models; several are set side by side",
        list(usable),
        default=list(usable)[:1],
        max_selections=6,
        key="models",
        bind="query-params",
        on_change=st.session_state.pop,
        args=("t", None),
    )
    return [usable[name] for name in chosen]


def choose_data(models: Sequence[SavedModel]) -> str | None:
    """Let the user choose what the models were measured on; None where nothing is common."""
    choices = data.choices(models)
    if not choices and len(models) == 1:
        return None
    if not choices:
        st.info(
            "These models were trained on different or unknown data, so there are no out-of-fold "
            "answers of all on the same slices. Measure each on one folder that none of them has "
            "seen; then they can be compared on it.",
            icon=":material/info:",
        )
        layout.commands(f"spinefrac compare {' '.join(m.id for m in models)} --data FOLDER")
        return None
    if len(choices) == 1:
        return next(iter(choices))
    return st.selectbox(
        "Measured on", list(choices), format_func=choices.get, key="on", bind="query-params"
    )


def audit(models: Sequence[SavedModel]) -> None:
    """Say on top what the audit said of the data."""
    verdicts = [model.card.audit_verdict if model.measured else "unknown" for model in models]
    for verdict in dict.fromkeys(verdicts):
        text = AUDIT.get(verdict or "", "The data set was not audited.")
        tone = {"ok": "ok", "unusable": "bad"}.get(verdict or "", "open")
        st.html(f'<div class="sf-audit {tone}"><i class="dot"></i>{text}</div>')


@st.fragment
def one(model: SavedModel, on: str, view: str) -> None:
    """Show a view of one model. A fragment: the slider redraws this and no more."""
    with layout.errors_shown():
        threshold = single.threshold_of(model)
        if view not in MOVED and "t" in st.session_state:
            # A widget's state is dropped where it is not shown, unless it is set.
            st.session_state["t"] = st.session_state["t"]
        if view in MOVED:
            threshold = single.threshold_slider(model)
        if view == "Overview":
            single.overview(model, on, threshold)
        elif view == "Calibration":
            single.calibration(model, on)
        elif view == "Training":
            single.training(model)
        elif view == "Parts":
            single.by_parts(model, on, threshold)
        elif view == "Slices":
            slices.show(model, data.answers(model, on), threshold)
        else:
            new_evaluation.show(model)


@st.fragment
def several(models: Sequence[SavedModel], on: str, view: str) -> None:
    """Show a view of several models."""
    with layout.errors_shown():
        if view == "Settings":
            comparison.settings(models)
        else:
            draw = {
                "Table": comparison.table,
                "Calibration": comparison.calibration,
                "Differences": comparison.differences,
                "Disagreement": comparison.disagreement,
            }[view]
            draw(models, on)


def _slices(model: SavedModel) -> Path | None:
    """Return the folder of the model's slices, where it is in the data roots."""
    paths = model.oof().paths if model.measured else ()
    return data_roots.guess(paths[0], settings.data_roots()) if paths else None


def report_buttons(model: SavedModel) -> None:
    """Offer the model's report; it is written when it is asked for."""
    with st.container(horizontal=True):
        for kind, module in (("html", html), ("pdf", pdf)):
            st.download_button(
                f"Report, {kind.upper()}",
                data=lambda module=module: module.render(report.report(model, _slices(model))),
                file_name=f"{model.id}-report.{kind}",
                icon=":material/description:",
                key=f"report-{kind}",
                on_click="ignore",
            )


def show(models: Sequence[SavedModel]) -> None:
    """Show one model, or several side by side."""
    on = choose_data(models)
    audit(models)
    if on is None:
        if len(models) == 1:
            new_evaluation.first(models[0])
            report_buttons(models[0])
        else:
            st.subheader("Settings", anchor=False)
            comparison.settings(models)
        return
    views = tuple(view for view in ONE if view != "Training" or models[0].measured)
    if len(models) > 1:
        views = SEVERAL
    view = st.segmented_control(
        "View",
        views,
        default=views[0],
        required=True,
        key="side" if views is SEVERAL else "view",
        bind="query-params",
        label_visibility="collapsed",
    )
    if len(models) > 1:
        several(models, on, view or views[0])
    else:
        one(models[0], on, view or views[0])
    words = [metric_tables.measured_on(model) for model in models] if on == OUT_OF_FOLD else []
    for line in dict.fromkeys(words):
        st.caption(layout.plain(line))
    if len(models) == 1:
        report_buttons(models[0])
        # Ready before the slider is moved for the first time, and after everything is drawn.
        data.measurement(models[0], on)


def render() -> None:
    """Draw the page."""
    layout.heading(
        "Metrics",
        "How often saved models are right on slices they had not seen, and how sure that is.",
    )
    with layout.errors_shown():
        chosen = choose()
        if chosen:
            show(chosen)
