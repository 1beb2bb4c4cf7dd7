"""A model on data sets that it was not trained on: saved evaluations, and a new one."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from spinefrac import settings, wording
from spinefrac.access.policy import Action
from spinefrac.data.scan import scan
from spinefrac.inference import external_evaluation
from spinefrac.inference.predictor import get_predictor
from spinefrac.store import evaluations
from spinefrac.store.evaluations import Evaluation
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import folders, layout, visitor

COLUMN_TITLES = ("Metric", "Out-of-fold", "External", "Difference of networks", "p", "Result")


def show_first_evaluation(model: SavedModel) -> None:
    """Say that a model was never evaluated, and offer to do so."""
    st.info(
        "This imported model has no out-of-fold predictions, so its accuracy is not known. "
        "Evaluate it on a folder of labelled slices to see metrics, curves and errors. Make sure "
        "that the model was not trained on these slices; the app cannot check this.",
        icon=":material/info:",
    )
    _show_evaluation_form(model)
    layout.show_commands(f"spinefrac evaluate {model.id} FOLDER")


def show_external_evaluations(model: SavedModel) -> None:
    """Show every saved evaluation of the model, and offer another."""
    _show_evaluation_form(model)
    saved = evaluations.list_evaluations(model)
    if not saved and model.has_out_of_fold:
        st.info(
            "No external evaluation yet. Out-of-fold metrics apply to patients like those in the "
            "training data; other scanners and hospitals may differ.",
            icon=":material/info:",
        )
    layout.show_rows(saved, lambda evaluation: _show_evaluation(model, evaluation))


def _show_evaluation(model: SavedModel, evaluation: Evaluation) -> None:
    """Show one evaluation, beside the out-of-fold metrics where the model has them."""
    st.header(layout.escape_markdown(evaluation.folder), anchor=False)
    _show_overlap_notes(evaluation)
    if evaluation.shift:
        rows = [compare_metric(key, model, evaluation) for key in wording.METRICS]
        layout.show_table(COLUMN_TITLES, rows)
    else:
        plain = [
            (metric.title, _format_metric(evaluation, key))
            for key, metric in wording.METRICS.items()
        ]
        layout.show_table(("Metric", "External evaluation"), plain)
    if evaluation.by_grade:
        st.markdown("**By grade of the input check**")
        layout.show_table(wording.GRADE_COLUMNS, [one.to_row() for one in evaluation.by_grade])
    if game := evaluation.pointing:
        st.markdown(
            "Pointing game: the maximum of the heat map is inside a fracture box on "
            f"{game.hits:,} of {game.slices:,} slices "
            f"({wording.format_estimate(game.share, game.ci, 2)}). At random: "
            f"{wording.format_number(game.chance, 2)}."
        )
    note = (
        f"{evaluation.metrics.n:,} slices ({evaluation.data.fracture:,} with a fracture) from "
        f"{evaluation.metrics.groups:,} groups, evaluated on {evaluation.created[:10]} at the "
        f"model's threshold of {model.threshold:.3f}. Grouping: "
        f"{layout.escape_markdown(evaluation.data.group_rule)}. 95 % confidence intervals by "
        "bootstrap over groups."
    )
    if evaluation.shift:
        note += f" {evaluation.shift_note} The interval of the difference is from both data sets."
    st.caption(note)


def _show_overlap_notes(evaluation: Evaluation) -> None:
    """Say whether the model was trained on these slices."""
    overlap = evaluation.seen
    if description := overlap.describe(evaluation.metrics.n):
        text = layout.escape_markdown(wording.to_sentence(description))
        if overlap.has_leakage:
            st.error(text, icon=":material/warning:")
        else:
            st.info(text, icon=":material/info:")
    if overlap.known and overlap.slices is None and not overlap.same_data:
        st.info(
            "This model has no pixel hashes of its training slices, so overlap of single slices "
            "cannot be checked.",
            icon=":material/info:",
        )
    for note in evaluation.metrics.notes:
        st.info(layout.escape_markdown(note), icon=":material/info:")


def compare_metric(key: str, model: SavedModel, evaluation: Evaluation) -> tuple[str, ...]:
    """Return the row of a metric: out-of-fold, external, difference of networks, its test.

    Parameters
    ----------
    key : str
        A key of `wording.METRICS`.
    model : SavedModel
        One with out-of-fold predictions.
    evaluation : Evaluation
        One of this model.
    """
    out_of_fold = wording.format_estimate(getattr(model.metrics, key), model.metrics.ci.get(key))
    titles = wording.METRICS[key].title, out_of_fold, _format_metric(evaluation, key)
    difference = evaluation.shift[key]
    if difference.value is None or difference.interval is None or difference.p_holm is None:
        return *titles, "–", "–", "–"
    interval = wording.format_interval(difference.interval, signed=True)
    return (
        *titles,
        f"{difference.value:+.3f} ({interval})",
        wording.format_p_value(difference.p_holm, name=""),
        wording.describe_significance(difference.p_holm),
    )


def _format_metric(evaluation: Evaluation, key: str) -> str:
    metrics = evaluation.metrics
    return wording.format_estimate(getattr(metrics, key), metrics.ci.get(key))


def _show_evaluation_form(model: SavedModel) -> None:
    """Offer to evaluate the model on a folder within the data roots."""
    roots = settings.data_roots()
    with st.form("evaluate", border=True):
        typed = st.text_input(
            "Folder of labelled slices (not used for training)",
            placeholder="external-slices",
            help=f"Within {', '.join(str(root) for root in roots)}; classes as for training.",
        )
        submitted = visitor.button(
            Action.EVALUATE_MODEL, "Evaluate", widget=st.form_submit_button, type="primary"
        )
    if submitted:
        _evaluate(model, typed)


def _evaluate(model: SavedModel, typed: str) -> None:
    """Evaluate the model on a folder, with a progress bar."""
    bar = st.progress(0.0, "Reading the slices")

    def report(text: str) -> Callable[[int, int], None]:
        def show(done: int, total: int) -> None:
            bar.progress(done / max(total, 1), text)

        return show

    dataset = scan(
        folders.resolve(typed or "."),
        progress=report("Reading the slices"),
    )
    evaluation, _ = external_evaluation.evaluate_external(
        get_predictor(model.id), dataset, progress_callback=report("Predicting")
    )
    visitor.record(Action.EVALUATE_MODEL, model.id)
    bar.empty()
    if dataset.unreadable:
        st.info(f"{len(dataset.unreadable)} files could not be read and were skipped.")
    st.toast(f"Evaluated on {evaluation.metrics.n:,} slices")
