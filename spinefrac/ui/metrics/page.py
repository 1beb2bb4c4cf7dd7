"""Metrics: what saved models got right on slices that they had not seen, one or several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from spinefrac import report, settings, wording
from spinefrac.data import data_roots
from spinefrac.report import html, pdf
from spinefrac.store.repository import DamagedModel, SavedModel
from spinefrac.ui.common import layout, metric_tables
from spinefrac.ui.metrics import comparison, data, external_evaluation, single, slices
from spinefrac.ui.metrics.data import OUT_OF_FOLD
from spinefrac.wording import TRAINING_DATA_UNKNOWN, describe_audit

SINGLE_VIEWS = ("Overview", "Calibration", "Training", "Parts", "Slices", "New slices")
COMPARISON_VIEWS = ("Table", "Calibration", "Differences", "Disagreement", "Settings")
#: Views of one model whose content the threshold moves.
THRESHOLD_VIEWS = ("Overview", "Parts", "Slices")


def choose_models() -> list[SavedModel]:
    """Let the user choose models; those that are damaged are named with the reason."""
    models, _ = layout.list_active_models()
    if not models:
        layout.show_no_model()
        return []
    for model in models:
        if isinstance(model, DamagedModel):
            st.error(
                layout.escape_markdown(wording.to_sentence(model.reason)), icon=":material/error:"
            )
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


def choose_evaluation(models: Sequence[SavedModel]) -> str | None:
    """Let the user choose what the models were measured on; None where nothing is common."""
    choices = data.list_evaluation_choices(models)
    if not choices and len(models) == 1:
        return None
    if not choices:
        st.info(
            "These models were trained on different or unknown data, so there are no out-of-fold "
            "answers of all on the same slices. Measure each on one folder that none of them has "
            "seen; then they can be compared on it.",
            icon=":material/info:",
        )
        layout.show_commands(f"spinefrac compare {' '.join(m.id for m in models)} --data FOLDER")
        return None
    if len(choices) == 1:
        return next(iter(choices))
    return st.selectbox(
        "Measured on", list(choices), format_func=choices.get, key="on", bind="query-params"
    )


def show_audit_verdict(models: Sequence[SavedModel]) -> None:
    """Say on top what the audit said of the data."""
    verdicts = [
        model.card.audit_verdict if model.has_out_of_fold else "unknown" for model in models
    ]
    for verdict in dict.fromkeys(verdicts):
        known = verdict != "unknown"
        text = describe_audit(verdict) if known else TRAINING_DATA_UNKNOWN
        tone = {"ok": "ok", "unusable": "bad"}.get(verdict or "", "open")
        st.html(f'<div class="sf-alert {tone}"><i class="dot"></i>{text}</div>')


@st.fragment
def show_single_model(model: SavedModel, evaluation_key: str, view: str) -> None:
    """Show a view of one model. A fragment: the slider redraws this and no more."""
    with layout.show_errors():
        threshold = single.get_threshold(model)
        if view not in THRESHOLD_VIEWS and "t" in st.session_state:
            # A widget's state is dropped where it is not shown, unless it is set.
            st.session_state["t"] = st.session_state["t"]
        if view in THRESHOLD_VIEWS:
            threshold = single.show_threshold_slider(model)
        if view == "Overview":
            single.show_overview(model, evaluation_key, threshold)
        elif view == "Calibration":
            single.show_calibration(model, evaluation_key)
        elif view == "Training":
            single.show_training_curves(model)
        elif view == "Parts":
            single.show_subgroups(model, evaluation_key, threshold)
        elif view == "Slices":
            slices.show_slices(model, data.load_predictions(model, evaluation_key), threshold)
        else:
            external_evaluation.show_external_evaluations(model)


@st.fragment
def show_comparison(models: Sequence[SavedModel], evaluation_key: str, view: str) -> None:
    """Show a view of several models."""
    with layout.show_errors():
        if view == "Settings":
            comparison.show_settings(models)
        else:
            draw = {
                "Table": comparison.show_table,
                "Calibration": comparison.show_calibration,
                "Differences": comparison.show_differences,
                "Disagreement": comparison.show_disagreement,
            }[view]
            draw(models, evaluation_key)


def _locate_slices(model: SavedModel) -> Path | None:
    """Return the folder of the model's slices, where it is in the data roots."""
    paths = model.load_out_of_fold().paths if model.has_out_of_fold else ()
    return data_roots.find_dataset_folder(paths[0], settings.data_roots()) if paths else None


def show_report_buttons(model: SavedModel) -> None:
    """Offer the model's report; it is written when it is asked for."""
    with st.container(horizontal=True):
        for kind, module in (("html", html), ("pdf", pdf)):
            st.download_button(
                f"Report, {kind.upper()}",
                data=lambda module=module: module.render(
                    report.build_model_report(model, _locate_slices(model))
                ),
                file_name=f"{model.id}-report.{kind}",
                icon=":material/description:",
                key=f"report-{kind}",
                on_click="ignore",
            )


def show_metrics(models: Sequence[SavedModel]) -> None:
    """Show one model, or several side by side."""
    on = choose_evaluation(models)
    show_audit_verdict(models)
    if on is None:
        if len(models) == 1:
            external_evaluation.show_first_evaluation(models[0])
            show_report_buttons(models[0])
        else:
            st.subheader("Settings", anchor=False)
            comparison.show_settings(models)
        return
    views = tuple(view for view in SINGLE_VIEWS if view != "Training" or models[0].has_out_of_fold)
    if len(models) > 1:
        views = COMPARISON_VIEWS
    view = st.segmented_control(
        "View",
        views,
        default=views[0],
        required=True,
        key="side" if views is COMPARISON_VIEWS else "view",
        bind="query-params",
        label_visibility="collapsed",
    )
    if len(models) > 1:
        show_comparison(models, on, view or views[0])
    else:
        show_single_model(models[0], on, view or views[0])
    words = (
        [metric_tables.describe_evaluation_data(model) for model in models]
        if on == OUT_OF_FOLD
        else []
    )
    for line in dict.fromkeys(words):
        st.caption(layout.escape_markdown(line))
    if len(models) == 1:
        show_report_buttons(models[0])
        # Ready before the slider is moved for the first time, and after everything is drawn.
        data.load_measurement(models[0], on)


def render() -> None:
    """Draw the page."""
    layout.show_heading(
        "Metrics",
        "How often saved models are right on slices they had not seen, and how sure that is.",
    )
    with layout.show_errors():
        chosen = choose_models()
        if chosen:
            show_metrics(chosen)
