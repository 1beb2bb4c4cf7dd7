"""A series: findings, probability of each slice, series score, and one slice in full."""

from __future__ import annotations

import streamlit as st

from spinefrac import wording
from spinefrac.evaluation.series_pooling import SeriesPerformance
from spinefrac.imaging.series_grouping import Series
from spinefrac.inference import batch
from spinefrac.inference.batch import SeriesPrediction
from spinefrac.inference.series_performance import load_series_performance
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout, visitor
from spinefrac.ui.predict import inference_job, series_card, slice_view, viewer
from spinefrac.ui.predict.report_download import SeriesResult
from spinefrac.ui.predict.upload import SliceSet

_INCLUDE_KEY = "include-out-of-distribution"
_PROGRESS_TEXT = "Predicting the series"
#: The slice set whose slices the slider moves through.
_SLIDER_SLICE_SET_KEY = "slider-slice-set"


def show_series(model: SavedModel, slice_set: SliceSet, series: Series) -> None:
    """Predict every slice in the background, and show the one that is selected.

    Parameters
    ----------
    model : SavedModel
    slice_set : SliceSet
    series : Series
        That of `slice_set`.
    """
    st.html(series_card.render_series_heading(series))
    for finding in series.findings:
        layout.show_alert(finding.message, "bad")
    running = inference_job.get_or_start_job(model, slice_set).poll().running
    if running:
        _show_progress(model, slice_set, series)
    _show_slice_browser(model, slice_set, series, running)


@visitor.fragment(run_every=0.25)
def _show_progress(model: SavedModel, slice_set: SliceSet, series: Series) -> None:
    """Show the strip chart as it grows; once it is complete, the page is drawn without this."""
    with layout.show_errors():
        job = inference_job.get_or_start_job(model, slice_set)
        if not inference_job.show_progress(job, _PROGRESS_TEXT):
            st.rerun()
        series_prediction = batch.pool_series_predictions(model.id, job.results())
        _show_strip(model, slice_set, series, series_prediction)


@visitor.fragment
def _show_slice_browser(
    model: SavedModel, slice_set: SliceSet, series: Series, running: bool
) -> None:
    """Show strip chart, score and the selected slice; only this runs when the user moves on.

    While the job is `running`, the strip chart is above and there is no score yet.
    """
    with layout.show_errors():
        # The slider and the whole picture stand above the fold of a screen of 900 pixels.
        left, right = st.columns([1, 1.05], gap="medium")
        series_result = None
        if not running:
            job = inference_job.get_or_start_job(model, slice_set)
            inference_job.show_progress(job, _PROGRESS_TEXT)
            series_prediction = batch.pool_series_predictions(
                model.id,
                job.results(),
                include_out_of_distribution=st.session_state.get(_INCLUDE_KEY, False),
            )
            series_result = SeriesResult(
                series_prediction, _load_series_performance(model.id, model.card_hash, model)
            )
            with right:
                _show_series_prediction(model, slice_set, series, series_result)
        with left:
            index = _choose_slice(slice_set)
        slice_view.show_slice(
            model, slice_set, index, lambda wanted: _go_to_slice(slice_set, wanted), series_result,
            columns=(left, right),
        )  # fmt: skip


def _show_series_prediction(
    model: SavedModel, slice_set: SliceSet, series: Series, series_result: SeriesResult
) -> None:
    """Show the series score, the strip chart and the slices with the highest probability."""
    series_prediction = series_result.prediction
    st.html(series_card.render_series_card(series_prediction, series_result.performance))
    excluded = sum(not one.is_usable and not one.error for one in series_prediction.predictions)
    if excluded:
        st.checkbox(
            "Include "
            + wording.format_count(
                excluded, "slice unlike the training slices", "slices unlike the training slices"
            ),
            key=_INCLUDE_KEY,
            help="Out-of-distribution slices are excluded from the series score, because "
            "predictions on them are not reliable.",
        )
    _show_strip(model, slice_set, series, series_prediction)
    _offer_highest_slices(slice_set, series_prediction)


def _offer_highest_slices(slice_set: SliceSet, series_prediction: SeriesPrediction) -> None:
    """Show a button for each of the slices with the highest probability."""
    highest = series_prediction.highest_slices()
    if not highest:
        return
    layout.show_label("Slices with the highest probability")
    with st.container(horizontal=True, gap="small", key="highest-slices"):
        for index in highest:
            probability = wording.format_percent(float(series_prediction.probabilities[index]))
            st.button(
                f"{index + 1} · {probability}",
                key=f"highest-slice-{index}",
                on_click=_go_to_slice,
                args=(slice_set, index),
            )


def _show_strip(
    model: SavedModel, slice_set: SliceSet, series: Series, series_prediction: SeriesPrediction
) -> None:
    data = series_card.build_strip_data(
        series, series_prediction, model.threshold, _get_slice_index(slice_set)
    )
    viewer.show_strip(data, lambda index: _go_to_slice(slice_set, index))


def _choose_slice(slice_set: SliceSet) -> int:
    """Show the slider that moves through the slices; return the index of the selected one."""
    key, count = _get_slider_key(slice_set), len(slice_set.slices)
    state = st.session_state
    if state.get(_SLIDER_SLICE_SET_KEY) != slice_set.key:
        state[_SLIDER_SLICE_SET_KEY], state[key] = slice_set.key, count // 2 + 1
    return st.slider("Slice", 1, count, key=key, label_visibility="collapsed") - 1


def _get_slider_key(slice_set: SliceSet) -> str:
    return f"slice-{slice_set.slices[0].axis}"


def _get_slice_index(slice_set: SliceSet) -> int:
    """Return the index of the selected slice."""
    if st.session_state.get(_SLIDER_SLICE_SET_KEY) != slice_set.key:
        return len(slice_set.slices) // 2
    return st.session_state.get(_get_slider_key(slice_set), 1) - 1


def _go_to_slice(slice_set: SliceSet, index: int) -> None:
    st.session_state[_SLIDER_SLICE_SET_KEY] = slice_set.key
    st.session_state[_get_slider_key(slice_set)] = index + 1


@st.cache_resource(max_entries=8, show_spinner=False)
def _load_series_performance(
    model_id: str, card_hash: str, _model: SavedModel
) -> SeriesPerformance | None:
    """Return the out-of-fold performance of the series score, cached by the card."""
    return load_series_performance(_model)
