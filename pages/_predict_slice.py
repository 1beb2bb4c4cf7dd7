"""One slice with its answer: the viewer on the left, everything that is said of it on the right."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages import (
    _answer,
    _answer_series,
    _doubt,
    _gradcam,
    _history,
    _predict_models,
    _predict_report,
    _predict_viewer,
    _predict_work,
    _record,
    _reliance,
)
from pages._predict_input import Subject
from pages._predict_report import Whole
from spinefrac import charts
from spinefrac.records import Prediction
from spinefrac.store.saved import SavedModel


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
    ct = _predict_work.read(subject.key, index, part)
    prediction = _predict_work.answer(subject.key, index, saved.id, saved.card_hash, part)
    series = subject.series
    left, right = st.columns([1.1, 1], gap="medium")
    with right:
        struck = _struck(prediction, f"{subject.key}|{index}")
    with left:
        place = st.container()
        if prediction.heatmap is None and not struck:
            prediction = _gradcam.offer(saved, ct, prediction)
    with place:
        _predict_viewer.show(
            subject.key if series else f"{subject.key}|{index}",
            part,
            ct,
            None if struck else prediction.heatmap,
            index=index,
            count=len(subject.slices) if series else 1,
            where=_answer_series.where(ct, part, series, index),
            go=go,
        )
    with right:
        note = "" if struck else _doubt.refer_note(saved, prediction)
        st.html(
            _record.audit_line(saved)
            + _answer.verdict(prediction, subject.truth, note, struck=struck)
            + _answer.input_check(prediction.input_check)
        )
        if not struck:
            _doubt.show(saved, prediction)
            with left:
                _reliance.show(saved, ct, prediction, ask=series is not None)
        with st.expander("Record of the model"):
            st.html(_record.record(saved))
        with st.expander("What the model sees"):
            st.image(charts.data_url(prediction.input.pixels), width=240, alt="The network's input")
            st.html(_answer.seen(saved, ct, prediction))
    _predict_models.compare(saved, f"{subject.key}|{index}", ct, prediction)
    if not struck:
        _predict_report.show(saved, subject, index, whole)
    _history.feedback(saved, ct, prediction)


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
