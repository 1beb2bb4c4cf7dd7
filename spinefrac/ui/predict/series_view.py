"""A series: what is odd about it, the probability along it, one score, and slice by slice."""

from __future__ import annotations

from html import escape

import streamlit as st

from spinefrac.evaluation import series_pooling
from spinefrac.evaluation.series_pooling import SeriesRecord
from spinefrac.inference import batch
from spinefrac.inference.batch import SeriesAnswer
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout
from spinefrac.ui.predict import inference_job, series_answer, slice_view, viewer
from spinefrac.ui.predict.report_download import Whole
from spinefrac.ui.predict.upload import Subject


def show(saved: SavedModel, subject: Subject) -> None:
    """Answer on every slice beside, and show the one that the user is at."""
    series = subject.series
    assert series is not None
    st.html(series_answer.line(series))
    for finding in series.findings:
        st.html(f'<div class="sf-audit bad"><i class="dot"></i>{escape(finding.message)}</div>')
    running = inference_job.job(saved, subject).look().running
    if running:
        _running(saved, subject)
    _look(saved, subject, running)


@st.fragment(run_every=0.25)
def _running(saved: SavedModel, subject: Subject) -> None:
    """Show the strip as it grows; once it is whole, the page is drawn anew without this."""
    with layout.errors_shown():
        work = inference_job.job(saved, subject)
        if not inference_job.bar(work, "Answering on the series"):
            st.rerun()
        answers = batch.series_answer(saved.id, work.found())
        _strip(saved, subject, answers)


@st.fragment
def _look(saved: SavedModel, subject: Subject, running: bool) -> None:
    """Show strip, score and the slice that the user is at; only this runs when he moves on.

    While the answers are `running`, their strip is above and there is no score yet.
    """
    with layout.errors_shown():
        work, whole = inference_job.job(saved, subject), None
        if not running:
            inference_job.bar(work, "Answering on the series")
            too = st.session_state.get("untypical-too", False)
            answers = batch.series_answer(saved.id, work.found(), untypical_too=too)
            whole = Whole(answers, _record(saved.id, saved.card_hash, saved))
            _answered(saved, subject, whole)
        index = _slider(subject)
        slice_view.show(saved, subject, index, lambda wanted: _go(subject, wanted), whole)


def _answered(saved: SavedModel, subject: Subject, whole: Whole) -> None:
    """Show the strip, the most suspicious slices and the one score."""
    answers = whole.answers
    left, right = st.columns([1.6, 1], gap="medium")
    with left:
        _strip(saved, subject, answers)
        most = answers.most_suspicious()
        if most:
            st.html('<div class="sf-label">Most suspicious slices</div>')
            with st.container(horizontal=True, gap="small", key="suspicious"):
                for index in most:
                    share = layout.percent(float(answers.probabilities[index]))
                    st.button(
                        f"{index + 1} · {share}",
                        key=f"suspicious-{index}",
                        on_click=_go,
                        args=(subject, index),
                    )
    with right:
        st.html(series_answer.verdict(answers, whole.record))
        untypical = sum(not one.typical and not one.error for one in answers.answers)
        if untypical:
            st.checkbox(
                f"Count the {untypical:,} untypical slices too",
                key="untypical-too",
                help="Slices unlike those that the model was trained on are left out of the score, "
                "as its answers there mean little.",
            )


def _strip(saved: SavedModel, subject: Subject, answers: SeriesAnswer) -> None:
    data = series_answer.strip(subject.series, answers, saved.threshold, _position(subject))
    viewer.strip(data, lambda index: _go(subject, index))


def _slider(subject: Subject) -> int:
    """Let the user move through the slices; the slider holds where he is."""
    key, count = _key(subject), len(subject.slices)
    state = st.session_state
    if state.get("slider-of") != subject.key:
        state["slider-of"], state[key] = subject.key, count // 2 + 1
    return st.slider("Slice", 1, count, key=key) - 1


def _key(subject: Subject) -> str:
    return f"slice-{subject.slices[0].axis}"


def _position(subject: Subject) -> int:
    """Return the index of the slice that the user is at."""
    if st.session_state.get("slider-of") != subject.key:
        return len(subject.slices) // 2
    return st.session_state.get(_key(subject), 1) - 1


def _go(subject: Subject, index: int) -> None:
    st.session_state["slider-of"] = subject.key
    st.session_state[_key(subject)] = index + 1


@st.cache_resource(max_entries=8, show_spinner=False)
def _record(model: str, stamp: str, _saved: SavedModel) -> SeriesRecord | None:
    return series_pooling.record(_saved.oof()) if _saved.measured else None
