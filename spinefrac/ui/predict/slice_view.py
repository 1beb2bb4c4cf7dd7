"""One slice with its prediction: the viewer on the left, the cards on the right."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from spinefrac.records import CtSlice, FloatImage, Prediction
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import metric_tables
from spinefrac.ui.predict import (
    feedback,
    gradcam,
    inference_job,
    model_picker,
    occlusion,
    prediction_card,
    report_download,
    series_card,
    training_pictures,
    uncertainty,
    viewer,
)
from spinefrac.ui.predict.report_download import SeriesResult
from spinefrac.ui.predict.upload import SliceSet
from spinefrac.viz import heatmap


def show_slice(
    model: SavedModel,
    slice_set: SliceSet,
    index: int,
    go_to_slice: Callable[[int], None] | None = None,
    series_result: SeriesResult | None = None,
    *,
    columns: tuple[DeltaGenerator, DeltaGenerator] | None = None,
    reveal: bool = False,
) -> None:
    """Predict one slice and show everything that belongs to the prediction.

    Parameters
    ----------
    model : SavedModel
    slice_set : SliceSet
    index : int
        Of the slice in `slice_set`.
    go_to_slice : callable, optional
        Called with an index to show another slice of a series.
    series_result : SeriesResult, optional
        The prediction for the series that the slice belongs to.
    columns : pair of containers, optional
        For the picture, and for what is said of it; new ones by default.
    reveal : bool
        Whether the page scrolls to the slice when it appears.
    """
    ct = inference_job.read_slice(slice_set, index)
    prediction = inference_job.predict_slice(model, slice_set, index)
    slice_key = f"{slice_set.key}|{index}"
    left, right = columns or st.columns([1.1, 1], gap="medium")
    with right:
        cards_place = st.container()
        suppressed = _is_suppressed(prediction, slice_key)  # its button is below the cards
    with left:
        viewer_place = st.container()
        if prediction.heatmap is None and not suppressed:
            prediction = gradcam.offer_gradcam(model, ct, prediction)
    with viewer_place:
        heat = None if suppressed else prediction.heatmap
        _show_viewer(slice_set, index, ct, heat, go_to_slice, reveal=reveal)
    with cards_place:
        _show_cards(model, prediction, slice_set.true_label, suppressed)
    with right:
        occlusion_place = _show_details(model, ct, prediction, suppressed)
    model_picker.show_model_comparison(model, slice_key, ct, prediction)
    if not suppressed:
        report_download.show_report(model, slice_set, index, series_result)
    feedback.show_feedback(model, ct, prediction)
    if not suppressed:  # last: it takes seconds, and nothing waits for it
        with occlusion_place:
            on_demand = slice_set.series is not None
            occlusion.show_occlusion(model, ct, prediction, on_demand=on_demand)


def _show_viewer(
    slice_set: SliceSet,
    index: int,
    ct: CtSlice,
    heat: FloatImage | None,
    go_to_slice: Callable[[int], None] | None,
    *,
    reveal: bool,
) -> None:
    """Show the slice, with its heat map where there is one; a series keeps zoom and window."""
    series_slice, series = slice_set.slices[index], slice_set.series
    viewer.show_viewer(
        slice_set.key if series else f"{slice_set.key}|{index}",
        series_slice,
        ct,
        heat,
        index=index,
        count=len(slice_set.slices) if series else 1,
        position_text=series_card.format_slice_position(ct, series_slice, series, index),
        reveal=reveal,
        go_to_slice=go_to_slice,
        is_sample=slice_set.is_sample,
    )


def _show_cards(
    model: SavedModel, prediction: Prediction, true_label: str, suppressed: bool
) -> None:
    """Show the warnings about the model, the prediction and the input check."""
    note = "" if suppressed else uncertainty.render_review_note(model, prediction)
    check = prediction.input_check
    pictures = training_pictures.load_pictures(model, check.nearest) if check else []
    st.html(
        metric_tables.render_model_warnings(model)
        + prediction_card.render_prediction_card(
            prediction, true_label, note, suppressed=suppressed
        )
        + prediction_card.render_input_check(check, pictures)
    )


def _show_details(
    model: SavedModel, ct: CtSlice, prediction: Prediction, suppressed: bool
) -> DeltaGenerator:
    """Show the reliability of the prediction, the model's performance and its input.

    Returns
    -------
    DeltaGenerator
        The place of the occlusion test.
    """
    check = prediction.input_check
    if not suppressed:
        uncertainty.show_uncertainty(model, prediction)
    occlusion_place = st.container()
    if check is None or check.typical:
        with st.expander("Performance of the model"):
            st.html(metric_tables.render_performance(model))
    with st.expander("Model input (after preprocessing)"):
        st.image(
            heatmap.encode_data_url(prediction.input.pixels),
            width=240,
            alt="Input of the network",
        )
        st.html(prediction_card.render_preprocessing_note(model, ct, prediction))
    return occlusion_place


def _is_suppressed(prediction: Prediction, key: str) -> bool:
    """Return whether the prediction is crossed out: the slice is unlike the training slices.

    It stays so until the user asks for the prediction.
    """
    check = prediction.input_check
    if check is None or not check.is_unlike:
        return False
    shown = st.session_state.setdefault("shown-out-of-distribution", set())
    if key not in shown and st.button(
        "Show prediction anyway", key="show-prediction", icon=":material/visibility:"
    ):
        shown.add(key)
    return key not in shown
