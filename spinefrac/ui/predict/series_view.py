"""A series: what is odd about it, the probability along it, one score, and slice by slice."""

from __future__ import annotations

from html import escape

import streamlit as st

from spinefrac import wording
from spinefrac.evaluation import series_pooling
from spinefrac.evaluation.series_pooling import SeriesPerformance
from spinefrac.inference import batch
from spinefrac.inference.batch import SeriesPrediction
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout
from spinefrac.ui.predict import inference_job, series_answer, slice_view, viewer
from spinefrac.ui.predict.report_download import SeriesResult
from spinefrac.ui.predict.upload import SliceSet


def show_series(model: SavedModel, slice_set: SliceSet) -> None:
    """Answer on every slice beside, and show the one that the user is at."""
    series = slice_set.series
    assert series is not None
    st.html(series_answer.render_series_heading(series))
    for finding in series.findings:
        st.html(f'<div class="sf-alert bad"><i class="dot"></i>{escape(finding.message)}</div>')
    running = inference_job.get_or_start_job(model, slice_set).poll().running
    if running:
        _show_progress(model, slice_set)
    _show_slice_browser(model, slice_set, running)


@st.fragment(run_every=0.25)
def _show_progress(model: SavedModel, slice_set: SliceSet) -> None:
    """Show the strip as it grows; once it is whole, the page is drawn anew without this."""
    with layout.show_errors():
        work = inference_job.get_or_start_job(model, slice_set)
        if not inference_job.show_progress(work, "Answering on the series"):
            st.rerun()
        answers = batch.pool_series_predictions(model.id, work.results())
        _show_strip(model, slice_set, answers)


@st.fragment
def _show_slice_browser(model: SavedModel, slice_set: SliceSet, running: bool) -> None:
    """Show strip, score and the slice that the user is at; only this runs when he moves on.

    While the answers are `running`, their strip is above and there is no score yet.
    """
    with layout.show_errors():
        work, whole = inference_job.get_or_start_job(model, slice_set), None
        if not running:
            inference_job.show_progress(work, "Answering on the series")
            too = st.session_state.get("include-out-of-distribution", False)
            answers = batch.pool_series_predictions(
                model.id, work.results(), include_out_of_distribution=too
            )
            whole = SeriesResult(
                answers, _load_series_performance(model.id, model.card_hash, model)
            )
            _show_series_prediction(model, slice_set, whole)
        index = _choose_slice(slice_set)
        slice_view.show_slice(
            model, slice_set, index, lambda wanted: _go_to_slice(slice_set, wanted), whole
        )


def _show_series_prediction(
    model: SavedModel, slice_set: SliceSet, series_result: SeriesResult
) -> None:
    """Show the strip, the most suspicious slices and the one score."""
    answers = series_result.prediction
    left, right = st.columns([1.6, 1], gap="medium")
    with left:
        _show_strip(model, slice_set, answers)
        most = answers.highest_slices()
        if most:
            st.html('<div class="sf-label">Most suspicious slices</div>')
            with st.container(horizontal=True, gap="small", key="highest-slices"):
                for index in most:
                    share = wording.format_percent(float(answers.probabilities[index]))
                    st.button(
                        f"{index + 1} · {share}",
                        key=f"highest-slice-{index}",
                        on_click=_go_to_slice,
                        args=(slice_set, index),
                    )
    with right:
        st.html(series_answer.render_series_card(answers, series_result.performance))
        untypical = sum(not one.typical and not one.error for one in answers.predictions)
        if untypical:
            st.checkbox(
                f"Count the {untypical:,} untypical slices too",
                key="include-out-of-distribution",
                help="Slices unlike those that the model was trained on are left out of the score, "
                "as its answers there mean little.",
            )


def _show_strip(
    model: SavedModel, slice_set: SliceSet, series_prediction: SeriesPrediction
) -> None:
    data = series_answer.build_strip_data(
        slice_set.series, series_prediction, model.threshold, _get_slice_index(slice_set)
    )
    viewer.show_strip(data, lambda index: _go_to_slice(slice_set, index))


def _choose_slice(slice_set: SliceSet) -> int:
    """Let the user move through the slices; the slider holds where he is."""
    key, count = _get_slider_key(slice_set), len(slice_set.slices)
    state = st.session_state
    if state.get("slider-slice-set") != slice_set.key:
        state["slider-slice-set"], state[key] = slice_set.key, count // 2 + 1
    return st.slider("Slice", 1, count, key=key) - 1


def _get_slider_key(slice_set: SliceSet) -> str:
    return f"slice-{slice_set.slices[0].axis}"


def _get_slice_index(slice_set: SliceSet) -> int:
    """Return the index of the slice that the user is at."""
    if st.session_state.get("slider-slice-set") != slice_set.key:
        return len(slice_set.slices) // 2
    return st.session_state.get(_get_slider_key(slice_set), 1) - 1


def _go_to_slice(slice_set: SliceSet, index: int) -> None:
    st.session_state["slider-slice-set"] = slice_set.key
    st.session_state[_get_slider_key(slice_set)] = index + 1


@st.cache_resource(max_entries=8, show_spinner=False)
def _load_series_performance(
    model_id: str, card_hash: str, _model: SavedModel
) -> SeriesPerformance | None:
    return (
        series_pooling.evaluate_series_score(_model.load_out_of_fold())
        if _model.has_out_of_fold
        else None
    )
