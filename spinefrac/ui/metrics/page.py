"""Metrics: performance of saved models on slices not used for their training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType

import streamlit as st

from spinefrac import report, wording
from spinefrac.access.policy import Action
from spinefrac.evaluation.baseline_comparison import describe_comparison, is_no_better
from spinefrac.report import html, pdf
from spinefrac.store.repository import DamagedModel, SavedModel
from spinefrac.ui.common import folders, layout, metric_tables, navigation, share, visitor
from spinefrac.ui.metrics import (
    addresses,
    asked_slices,
    comparison,
    curves,
    data,
    external_evaluation,
    overview,
    slices,
    subgroups,
    training_curves,
)
from spinefrac.ui.metrics.data import OUT_OF_FOLD

# The labels are part of the address: a new one needs a line in `addresses.RENAMED_LABELS`.
SINGLE_VIEWS = (
    "Overview",
    "Calibration",
    "Training curves",
    "Subgroups",
    "Slices",
    "External evaluation",
    "Asked slices",
)
COMPARISON_VIEWS: dict[str, Callable[[Sequence[SavedModel], str], None]] = {
    "Table": comparison.show_table,
    "Calibration": curves.show_calibration,
    "Differences": comparison.show_differences,
    "Disagreement": comparison.show_disagreement,
    "Settings": lambda models, _: comparison.show_settings(models),
}
#: Views of one model whose content depends on the threshold.
THRESHOLD_VIEWS = ("Overview", "Subgroups", "Slices")
#: Views that show single slices of a data set, which a viewer may not see.
SLICE_VIEWS = ("Slices", "Disagreement")
#: Views that a model of scans has not: its predictions are of no single slice.
_VIEWS_OF_SLICES = (*SLICE_VIEWS, "External evaluation")
MAX_COMPARED = 6
#: More damaged models than this are folded into one line.
MAX_DAMAGED_SHOWN = 2
_AUDIT_TONES = {"ok": "ok", "unusable": "bad"}


def choose_models() -> list[SavedModel]:
    """Let the user choose models; those that are damaged are named with the reason."""
    models, _ = layout.list_active_models()
    if not models:
        layout.show_no_model()
        return []
    _show_damaged([model for model in models if isinstance(model, DamagedModel)])
    usable = {model.id: model for model in models if isinstance(model, SavedModel)}
    if not usable:
        return []
    chosen = st.multiselect(
        "Models (choose several to compare)",
        list(usable),
        default=list(usable)[:1],
        max_selections=MAX_COMPARED,
        key="models",
        bind="query-params",
        on_change=st.session_state.pop,
        args=("t", None),
    )
    return [usable[name] for name in chosen]


def _show_damaged(models: Sequence[DamagedModel]) -> None:
    """Name damaged models with the reason; many of them folded, so that the page stays short."""
    if len(models) <= MAX_DAMAGED_SHOWN:
        layout.show_rows(models, lambda model: layout.show_error(model.reason))
        return
    with st.expander(f"{len(models)} damaged models", icon=":material/warning:"):
        layout.show_table(("Reason",), [(model.reason,) for model in models])


def choose_evaluation(models: Sequence[SavedModel]) -> str | None:
    """Let the user choose what the models were evaluated on.

    Returns
    -------
    str or None
        Key of the evaluation; None where the models have none in common.
    """
    choices = data.list_evaluation_choices(models)
    if not choices and len(models) == 1:
        return None
    if not choices:
        st.info(
            "These models have no predictions on the same slices. Evaluate each of them on one "
            "folder that none was trained on, then compare them.",
            icon=":material/info:",
        )
        layout.show_commands(f"spinefrac compare {' '.join(m.id for m in models)} --data FOLDER")
        return None
    if len(choices) == 1:
        return next(iter(choices))
    return st.selectbox(
        "Evaluated on",
        list(choices),
        format_func=choices.__getitem__,
        key="on",
        bind="query-params",
    )


def show_audit_verdict(models: Sequence[SavedModel]) -> None:
    """Say on top what the audits of the data concluded, and what its baselines reach."""
    alerts = []
    for model in models:
        verdict = model.card.audit_verdict or ""
        if model.has_out_of_fold:
            alerts.append((wording.describe_audit(verdict), _AUDIT_TONES.get(verdict, "open")))
            if notice := describe_comparison(model.card.baselines):
                tone = "open" if is_no_better(model.card.baselines) else "ok"
                alerts.append((notice, tone))
        else:
            alerts.append((wording.TRAINING_DATA_UNKNOWN, "open"))
    for text, tone in dict.fromkeys(alerts):
        layout.show_alert(text, tone)


@visitor.fragment
def show_single_model(model: SavedModel, evaluation_key: str, view: str) -> None:
    """Show a view of one model. A fragment: the slider redraws this and no more."""
    with layout.show_errors():
        if view in THRESHOLD_VIEWS:
            threshold = overview.show_threshold_slider(model)
        else:
            threshold = overview.get_threshold(model)
            if "t" in st.session_state:
                # A widget's state is dropped where it is not shown, unless it is set.
                st.session_state["t"] = st.session_state["t"]
        if view == "Overview":
            overview.show_overview(model, evaluation_key, threshold)
        elif view == "Calibration":
            curves.show_calibration([model], evaluation_key)
        elif view == "Training curves":
            training_curves.show_training_curves(model)
        elif view == "Subgroups":
            subgroups.show_subgroups(model, evaluation_key, threshold)
        elif view == "Slices":
            slices.show_slices(model, data.load_predictions(model, evaluation_key), threshold)
        elif view == "Asked slices":
            asked_slices.show_asked_slices(model)
        else:
            external_evaluation.show_external_evaluations(model)


@visitor.fragment
def show_comparison(models: Sequence[SavedModel], evaluation_key: str, view: str) -> None:
    """Show a view of several models."""
    with layout.show_errors():
        COMPARISON_VIEWS[view](models, evaluation_key)


def _find_dataset_folder(model: SavedModel) -> Path | None:
    """Return the folder of the model's training slices, where the person may read it."""
    paths = model.load_out_of_fold().paths if model.has_slice_predictions else ()
    return folders.find(paths[0]) if paths else None


def show_report_buttons(model: SavedModel) -> None:
    """Offer the model's report; it is written when it is asked for."""
    keep_names = layout.ask_keep_names()
    with st.container(horizontal=True):
        for kind, module in (("html", html), ("pdf", pdf)):
            st.download_button(
                f"Download report ({kind.upper()})",
                data=partial(_render_report, module, model, keep_names),
                file_name=f"{model.id}-report.{kind}",
                icon=":material/description:",
                key=f"report-{kind}",
                on_click="ignore",
            )


def _render_report(module: ModuleType, model: SavedModel, keep_names: bool) -> bytes:
    document = report.build_model_report(model, _find_dataset_folder(model), keep_names=keep_names)
    content: bytes = module.render(document)
    return content


def show_metrics(models: Sequence[SavedModel]) -> None:
    """Show one model, or compare several."""
    evaluation_key = choose_evaluation(models)
    show_audit_verdict(models)
    if evaluation_key is None:
        _show_without_evaluation(models)
        return
    view = choose_view(models)
    if len(models) > 1:
        show_comparison(models, evaluation_key, view)
    else:
        show_single_model(models[0], evaluation_key, view)
    if evaluation_key == OUT_OF_FOLD:
        notes = [metric_tables.describe_evaluation_data(model) for model in models]
        for note in dict.fromkeys(notes):
            st.caption(layout.escape_markdown(note))
    _show_share_button(models)
    if len(models) == 1:
        show_report_buttons(models[0])
        # Ready before the slider is moved for the first time, and after everything is drawn.
        data.load_metrics_calculator(models[0], evaluation_key)


def _show_share_button(models: Sequence[SavedModel]) -> None:
    """Offer the link to what is shown; the address holds it, but not a choice by default."""
    shown = {key: st.query_params.get_all(key) for key in st.query_params}
    query = shown | {"models": [model.id for model in models]}
    with st.container(horizontal=True, vertical_alignment="center"):
        share.show_button("metrics", query, key="share-metrics")
        if len(models) == 1:
            st.page_link(
                navigation.page("predict"),
                label=f"Predict with {models[0].id}",
                icon=":material/radiology:",
                query_params={"model": models[0].id},
            )


def _show_without_evaluation(models: Sequence[SavedModel]) -> None:
    """Show what is known of models that have no evaluation in common."""
    if len(models) == 1:
        external_evaluation.show_first_evaluation(models[0])
        show_report_buttons(models[0])
    else:
        st.header("Settings", anchor=False)
        comparison.show_settings(models)


def choose_view(models: Sequence[SavedModel]) -> str:
    """Let the user choose a view; the address holds the choice."""
    if len(models) > 1:
        views, key = tuple(COMPARISON_VIEWS), "side"
    else:
        views, key = SINGLE_VIEWS, "view"
        if not visitor.permits(Action.EVALUATE_MODEL):
            views = tuple(view for view in views if view != "External evaluation")
        if not models[0].has_out_of_fold:
            views = tuple(view for view in views if view != "Training curves")
    if any(model.is_of_scans for model in models):
        views = tuple(view for view in views if view not in _VIEWS_OF_SLICES)
    if not visitor.permits(Action.REVIEW_LABELS):
        views = tuple(view for view in views if view not in SLICE_VIEWS)
    chosen = st.segmented_control(
        "View",
        views,
        default=views[0],
        required=True,
        key=key,
        bind="query-params",
        label_visibility="collapsed",
    )
    return chosen or views[0]


def render() -> None:
    """Draw the page."""
    addresses.update_address()
    layout.show_heading(
        "Metrics",
        "Performance on slices not used for training, with 95 % confidence intervals.",
    )
    with layout.show_errors():
        if chosen := choose_models():
            show_metrics(chosen)
