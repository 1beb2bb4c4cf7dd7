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
from spinefrac.ui.predict.report_download import Whole
from spinefrac.ui.predict.upload import Subject
from spinefrac.viz import heatmap


def show(
    saved: SavedModel,
    subject: Subject,
    index: int,
    go: Callable[[int], None] | None = None,
    whole: Whole | None = None,
) -> None:
    """Answer on one slice of a subject and show everything that belongs to the answer.

    `go` moves on to another slice of a series, `whole` is what is known of that series.
    """
    part = subject.slices[index]
    ct = inference_job.read(subject.key, index, part)
    prediction = inference_job.answer(subject.key, index, saved.id, saved.card_hash, part)
    series = subject.series
    left, right = st.columns([1.1, 1], gap="medium")
    with right:
        struck = _struck(prediction, f"{subject.key}|{index}")
    with left:
        place = st.container()
        if prediction.heatmap is None and not struck:
            prediction = gradcam.offer(saved, ct, prediction)
    with place:
        viewer.show(
            subject.key if series else f"{subject.key}|{index}",
            part,
            ct,
            None if struck else prediction.heatmap,
            index=index,
            count=len(subject.slices) if series else 1,
            where=series_answer.where(ct, part, series, index),
            go=go,
        )
    with right:
        note = "" if struck else uncertainty.refer_note(saved, prediction)
        st.html(
            metric_tables.audit_line(saved)
            + answer.verdict(prediction, subject.truth, note, struck=struck)
            + answer.input_check(prediction.input_check)
        )
        if not struck:
            uncertainty.show(saved, prediction)
            with left:
                occlusion.show(saved, ct, prediction, ask=series is not None)
        with st.expander("Record of the model"):
            st.html(metric_tables.record(saved))
        with st.expander("What the model sees"):
            st.image(
                heatmap.data_url(prediction.input.pixels), width=240, alt="The network's input"
            )
            st.html(answer.seen(saved, ct, prediction))
    model_picker.compare(saved, f"{subject.key}|{index}", ct, prediction)
    if not struck:
        report_download.show(saved, subject, index, whole)
    feedback.feedback(saved, ct, prediction)


def _struck(prediction: Prediction, key: str) -> bool:
    """Whether the answer is struck through: on untypical slices, until the user asks for it."""
    check = prediction.input_check
    if check is None or check.typical:
        return False
    shown = st.session_state.setdefault("shown-anyway", set())
    if key not in shown and st.button(
        "Show the answer all the same", key="show-anyway", icon=":material/visibility:"
    ):
        shown.add(key)
    return key not in shown
