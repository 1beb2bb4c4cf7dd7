"""What this page asks for: one slice's answer, kept a while, and long work, looked at as it runs.

A session has one job at a time; the next one drops it.
"""

from __future__ import annotations

import streamlit as st

from spinefrac.imaging.series_grouping import SeriesSlice
from spinefrac.inference import batch, predictor
from spinefrac.inference.background_jobs import Job
from spinefrac.records import CtSlice, Prediction
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common.layout import plain, sentence
from spinefrac.ui.predict.upload import Subject


@st.cache_resource(max_entries=16, show_spinner=False, scope="session")
def read(subject: str, index: int, _part: SeriesSlice) -> CtSlice:
    return _part.read()


@st.cache_resource(max_entries=16, show_spinner=False, scope="session")
def answer(subject: str, index: int, model: str, stamp: str, _part: SeriesSlice) -> Prediction:
    """Return the model's answer; `stamp` tells a model from another of the same name."""
    return predictor.open_model(model).predict(read(subject, index, _part))


def job(saved: SavedModel, subject: Subject, *, thumbnails: bool = False) -> Job[batch.Answered]:
    """Return the session's work on a subject, begun now if it was not."""
    key = (subject.key, saved.id, saved.card_hash)
    known = st.session_state.get("job")
    if known is None or known[0] != key:
        if known is not None:
            known[1].cancel()
        model = predictor.open_model(saved.id)
        answers = batch.answer(model, subject.slices, thumbnails=thumbnails)
        known = st.session_state["job"] = (key, Job(answers, len(subject.slices)))
    return known[1]


def bar(work: Job[batch.Answered], what: str) -> bool:
    """Show how far work is, with a button that stops it; return whether it still runs."""
    progress = work.look()
    if progress.running:
        left, right = st.columns([4, 1], vertical_alignment="center")
        rate = progress.done / max(progress.seconds, 1e-3)
        left.progress(
            progress.done / max(progress.total, 1),
            f"{what}: {progress.done:,} of {progress.total:,}"
            + (f", {rate:.0f} a second" if progress.done else ""),
        )
        right.button("Stop", key="job-stop", on_click=work.cancel, width="stretch")
    elif progress.state == "cancelled":
        st.info(
            f"Stopped after {progress.done:,} of {progress.total:,}; the rest has no answer.",
            icon=":material/info:",
        )
    elif progress.state == "failed":
        st.error(plain(sentence(progress.error)), icon=":material/error:")
    return progress.running
