"""One slice with its answer: the viewer on the left, everything that is said of it on the right."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages import (
    _answer,
    _answer_series,
    _doubt,
    _history,
    _predict_models,
    _predict_viewer,
    _record,
    _reliance,
)
from pages._predict_input import Subject
from spinefrac import charts
from spinefrac.imaging.series import SeriesSlice
from spinefrac.records import CtSlice, Prediction
from spinefrac.serving import predictor
from spinefrac.store.saved import SavedModel


@st.cache_resource(max_entries=16, show_spinner=False, scope="session")
def read(subject: str, index: int, _part: SeriesSlice) -> CtSlice:
    return _part.read()


@st.cache_resource(max_entries=16, show_spinner=False, scope="session")
def answer(subject: str, index: int, model: str, stamp: str, _part: SeriesSlice) -> Prediction:
    """Return the model's answer; `stamp` tells a model from another of the same name."""
    return predictor.open_model(model).predict(read(subject, index, _part))


def show(
    saved: SavedModel, subject: Subject, index: int, go: Callable[[int], None] | None = None
) -> None:
    """Answer on one slice of a subject and show everything that belongs to the answer."""
    part = subject.slices[index]
    ct = read(subject.key, index, part)
    prediction = answer(subject.key, index, saved.id, saved.card_hash, part)
    series = subject.series
    left, right = st.columns([1.1, 1], gap="medium")
    with right:
        struck = _struck(prediction, f"{subject.key}|{index}")
    with left:
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
