"""A model on slices it was not trained on: what is kept, and one more folder."""

from __future__ import annotations

import streamlit as st
from markupsafe import Markup, escape

from spinefrac import settings, wording
from spinefrac.data import data_roots
from spinefrac.data.scan import scan
from spinefrac.inference import external_evaluation
from spinefrac.inference.predictor import get_predictor
from spinefrac.store import evaluations
from spinefrac.store.evaluations import Evaluation
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout
from spinefrac.wording import METRICS

METRIC_TITLES = {key: words.title for key, words in METRICS.items() if key != "mcc"}
COLUMN_TITLES = ("Metric", "Out-of-fold", "New slices", "Shift", "Corrected p", "")


def show_first_evaluation(model: SavedModel) -> None:
    """Say that nothing is known of a model yet, and offer to measure it."""
    st.info(
        "This model was imported without answers on slices that it had not seen, so nothing says "
        "how often it is right. Measure it on a folder of labelled slices; then this page shows "
        "its metrics, curves and errors there. Only you can know that it was not trained on them.",
        icon=":material/info:",
    )
    _show_evaluation_form(model)
    layout.show_commands(f"spinefrac evaluate {model.id} FOLDER")


def show_external_evaluations(model: SavedModel) -> None:
    """Show every kept evaluation of the model, and offer another."""
    _show_evaluation_form(model)
    kept = evaluations.list_evaluations(model)
    if not kept and model.has_out_of_fold:
        st.info(
            "This model was not measured on new slices yet. Out-of-fold numbers say how it does "
            "on patients like those it was trained on; other scanners and hospitals differ.",
            icon=":material/info:",
        )
    for entry in kept:
        st.subheader(layout.escape_markdown(entry.folder), anchor=False)
        _show_overlap_notes(entry)
        if entry.shift:
            layout.show_table(
                COLUMN_TITLES, [_render_metric_row(name, model, entry) for name in METRIC_TITLES]
            )
        else:
            rows = [
                (escape(METRIC_TITLES[name]), entry.metrics.format_metric(name))
                for name in METRIC_TITLES
            ]
            layout.show_table(("Metric", "New slices"), rows)
        if found := entry.pointing:
            st.markdown(
                f"The hottest point of the heat map lies inside a fracture's box on {found.hits:,} "
                f"of {found.slices:,} slices, {wording.format_number(found.share, 2)} "
                f"({wording.format_interval(found.ci, 2)}); a point at random would on "
                f"{wording.format_number(found.chance, 2)}."
            )
        st.caption(
            f"{entry.metrics.n:,} slices ({entry.data.fracture:,} with a fracture) of "
            f"{entry.metrics.groups:,} groups, measured {entry.created[:10]} at the model's "
            f"threshold of {model.threshold:.3f}. Groups: {layout.escape_markdown(entry.data.group_rule)}. "
            "In brackets 95 % intervals, whole groups resampled."
            + (
                " The shift's is from the groups of both data sets; p is corrected for the number "
                "of metrics."
                if entry.shift
                else ""
            )
        )


def _show_overlap_notes(entry: Evaluation) -> None:
    """Say whether the model knew these slices."""
    sentence = entry.seen.describe(entry.metrics.n)
    if entry.seen.has_leakage:
        st.error(layout.escape_markdown(wording.to_sentence(sentence)), icon=":material/warning:")
    elif sentence:
        st.info(layout.escape_markdown(wording.to_sentence(sentence)), icon=":material/info:")
    if entry.seen.known and entry.seen.slices is None and not entry.seen.same_data:
        st.info(
            "This model kept no pixel hashes of its training slices, so single slices that it "
            "was trained on cannot be found.",
            icon=":material/info:",
        )
    for note in entry.metrics.notes:
        st.info(layout.escape_markdown(note), icon=":material/info:")


def _render_metric_row(name: str, model: SavedModel, entry: Evaluation) -> tuple[str, ...]:
    old, new = model.metrics.format_metric(name), entry.metrics.format_metric(name)
    found = entry.shift[name]
    if found.value is None or found.interval is None or found.p_holm is None:
        return escape(METRIC_TITLES[name]), old, new, "–", "–", ""
    low, high = found.interval
    p = wording.format_p_value(found.p_holm, name="")
    return (
        escape(METRIC_TITLES[name]),
        old,
        new,
        f"{found.value:+.3f} ({low:+.2f} to {high:+.2f})",
        escape(p),
        Markup("<strong>more than chance</strong>") if found.p_holm < 0.05 else "may be chance",
    )


def _show_evaluation_form(model: SavedModel) -> None:
    """Offer to measure the model on a folder within the data roots."""
    roots = settings.data_roots()
    with st.form("evaluate", border=True):
        typed = st.text_input(
            "Folder of labelled slices that the model has not seen",
            placeholder="new-slices",
            help="Within " + ", ".join(str(root) for root in roots) + "; classes as for training.",
        )
        wanted = st.form_submit_button("Measure", type="primary")
    if not wanted:
        return
    bar = st.progress(0.0, "Reading the slices")
    dataset = scan(
        data_roots.resolve_folder(typed or ".", roots),
        progress=lambda done, of: bar.progress(done / max(of, 1), "Reading the slices"),
    )
    entry, _ = external_evaluation.evaluate_external(
        get_predictor(model.id),
        dataset,
        progress_callback=lambda done, of: bar.progress(done / max(of, 1), "The model answers"),
    )
    bar.empty()
    if dataset.unreadable:
        st.info(f"{len(dataset.unreadable)} files could not be read and were left out.")
    st.toast(f"Measured on {entry.metrics.n:,} slices")
