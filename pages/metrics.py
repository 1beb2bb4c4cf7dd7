"""Metrics: what saved models got right on slices that they had not seen, one or several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from pages import (
    _metrics_data,
    _metrics_many,
    _metrics_new,
    _metrics_one,
    _metrics_slices,
    _record,
    _shared,
)
from pages._metrics_data import OUT_OF_FOLD
from spinefrac import report, settings
from spinefrac.data import locate
from spinefrac.report import html, pdf
from spinefrac.store.saved import DamagedModel, SavedModel

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
    models, _ = _shared.listed()
    if not models:
        _shared.no_model()
        return []
    for model in models:
        if isinstance(model, DamagedModel):
            st.error(_shared.plain(_shared.sentence(model.reason)), icon=":material/error:")
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
    choices = _metrics_data.choices(models)
    if not choices and len(models) == 1:
        return None
    if not choices:
        st.info(
            "These models were trained on different or unknown data, so there are no out-of-fold "
            "answers of all on the same slices. Measure each on one folder that none of them has "
            "seen; then they can be compared on it.",
            icon=":material/info:",
        )
        _shared.commands(f"spinefrac compare {' '.join(m.id for m in models)} --data FOLDER")
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
    with _shared.errors_shown():
        threshold = _metrics_one.threshold_of(model)
        if view not in MOVED and "t" in st.session_state:
            # A widget's state is dropped where it is not shown, unless it is set.
            st.session_state["t"] = st.session_state["t"]
        if view in MOVED:
            threshold = _metrics_one.threshold_slider(model)
        if view == "Overview":
            _metrics_one.overview(model, on, threshold)
        elif view == "Calibration":
            _metrics_one.calibration(model, on)
        elif view == "Training":
            _metrics_one.training(model)
        elif view == "Parts":
            _metrics_one.by_parts(model, on, threshold)
        elif view == "Slices":
            _metrics_slices.show(model, _metrics_data.answers(model, on), threshold)
        else:
            _metrics_new.show(model)


@st.fragment
def several(models: Sequence[SavedModel], on: str, view: str) -> None:
    """Show a view of several models."""
    with _shared.errors_shown():
        if view == "Settings":
            _metrics_many.settings(models)
        else:
            draw = {
                "Table": _metrics_many.table,
                "Calibration": _metrics_many.calibration,
                "Differences": _metrics_many.differences,
                "Disagreement": _metrics_many.disagreement,
            }[view]
            draw(models, on)


def _slices(model: SavedModel) -> Path | None:
    """Return the folder of the model's slices, where it is in the data roots."""
    paths = model.oof().paths if model.measured else ()
    return locate.guess(paths[0], settings.data_roots()) if paths else None


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
            _metrics_new.first(models[0])
            report_buttons(models[0])
        else:
            st.subheader("Settings", anchor=False)
            _metrics_many.settings(models)
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
    words = [_record.measured_on(model) for model in models] if on == OUT_OF_FOLD else []
    for line in dict.fromkeys(words):
        st.caption(_shared.plain(line))
    if len(models) == 1:
        report_buttons(models[0])
        # Ready before the slider is moved for the first time, and after everything is drawn.
        _metrics_data.measurement(models[0], on)


_shared.heading(
    "Metrics", "How often saved models are right on slices they had not seen, and how sure that is."
)
with _shared.errors_shown():
    chosen = choose()
    if chosen:
        show(chosen)
