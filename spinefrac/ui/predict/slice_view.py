"""One slice with its answer: the viewer on the left, everything that is said of it on the right."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from spinefrac.records import Prediction
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import metric_tables
from spinefrac.ui.predict import (
    answer,
    feedback,
    gradcam,
    inference_job,
    model_picker,
    occlusion,
    report_download,
    series_answer,
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
) -> None:
    """Answer on one slice of a subject and show everything that belongs to the answer.

    `go_to_slice` moves on to another slice of a series, `series_result` is what is known of that series.
    """
    part = slice_set.slices[index]
    ct = inference_job.read_slice(slice_set.key, index, part)
    prediction = inference_job.predict_slice(slice_set.key, index, model.id, model.card_hash, part)
    series = slice_set.series
    left, right = st.columns([1.1, 1], gap="medium")
    with right:
        struck = _is_suppressed(prediction, f"{slice_set.key}|{index}")
    with left:
        place = st.container()
        if prediction.heatmap is None and not struck:
            prediction = gradcam.offer_gradcam(model, ct, prediction)
    with place:
        viewer.show_viewer(
            slice_set.key if series else f"{slice_set.key}|{index}",
            part,
            ct,
            None if struck else prediction.heatmap,
            index=index,
            count=len(slice_set.slices) if series else 1,
            position_text=series_answer.format_slice_position(ct, part, series, index),
            go_to_slice=go_to_slice,
        )
    with right:
        note = "" if struck else uncertainty.render_review_note(model, prediction)
        st.html(
            metric_tables.render_audit_warning(model)
            + answer.render_prediction_card(
                prediction, slice_set.true_label, note, suppressed=struck
            )
            + answer.render_input_check(prediction.input_check)
        )
        if not struck:
            uncertainty.show_uncertainty(model, prediction)
            with left:
                occlusion.show_occlusion(model, ct, prediction, on_demand=series is not None)
        with st.expander("Performance of the model"):
            st.html(metric_tables.render_performance(model))
        with st.expander("What the model sees"):
            st.image(
                heatmap.encode_data_url(prediction.input.pixels),
                width=240,
                alt="The network's input",
            )
            st.html(answer.render_preprocessing_note(model, ct, prediction))
    model_picker.show_model_comparison(model, f"{slice_set.key}|{index}", ct, prediction)
    if not struck:
        report_download.show_report(model, slice_set, index, series_result)
    feedback.show_feedback(model, ct, prediction)


def _is_suppressed(prediction: Prediction, key: str) -> bool:
    """Whether the answer is struck through: on untypical slices, until the user asks for it."""
    check = prediction.input_check
    if check is None or check.typical:
        return False
    shown = st.session_state.setdefault("shown-out-of-distribution", set())
    if key not in shown and st.button(
        "Show the answer all the same", key="show-prediction", icon=":material/visibility:"
    ):
        shown.add(key)
    return key not in shown
