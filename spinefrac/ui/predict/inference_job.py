"""What this page asks for: one slice's answer, kept a while, and long work, looked at as it runs.

A session has one job at a time; the next one drops it.
"""

from __future__ import annotations

import streamlit as st

from spinefrac import wording
from spinefrac.imaging.series_grouping import SeriesSlice
from spinefrac.inference import batch, predictor
from spinefrac.inference.background_jobs import BackgroundJob
from spinefrac.records import CtSlice, Prediction
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common.layout import escape_markdown
from spinefrac.ui.predict.upload import SliceSet


@st.cache_resource(max_entries=16, show_spinner=False, scope="session")
def read_slice(slice_set_key: str, index: int, _series_slice: SeriesSlice) -> CtSlice:
    return _series_slice.read()


@st.cache_resource(max_entries=16, show_spinner=False, scope="session")
def predict_slice(
    slice_set_key: str, index: int, model_id: str, card_hash: str, _series_slice: SeriesSlice
) -> Prediction:
    """Return the model's answer; `card_hash` tells a model from another of the same name."""
    return predictor.get_predictor(model_id).predict(
        read_slice(slice_set_key, index, _series_slice)
    )


def get_or_start_job(
    saved_model: SavedModel, slice_set: SliceSet, *, thumbnails: bool = False
) -> BackgroundJob[batch.SlicePrediction]:
    """Return the session's work on a subject, begun now if it was not."""
    key = (slice_set.key, saved_model.id, saved_model.card_hash)
    known = st.session_state.get("inference-job")
    if known is None or known[0] != key:
        if known is not None:
            known[1].cancel()
        model = predictor.get_predictor(saved_model.id)
        answers = batch.predict_slices(model, slice_set.slices, with_thumbnails=thumbnails)
        known = st.session_state["inference-job"] = (
            key,
            BackgroundJob(answers, len(slice_set.slices)),
        )
    return known[1]


def show_progress(job: BackgroundJob[batch.SlicePrediction], description: str) -> bool:
    """Show how far work is, with a button that stops it; return whether it still runs."""
    progress = job.poll()
    if progress.running:
        left, right = st.columns([4, 1], vertical_alignment="center")
        rate = progress.done / max(progress.seconds, 1e-3)
        left.progress(
            progress.done / max(progress.total, 1),
            f"{description}: {progress.done:,} of {progress.total:,}"
            + (f", {rate:.0f} a second" if progress.done else ""),
        )
        right.button("Stop", key="inference-stop", on_click=job.cancel, width="stretch")
    elif progress.state == "cancelled":
        st.info(
            f"Stopped after {progress.done:,} of {progress.total:,}; the rest has no answer.",
            icon=":material/info:",
        )
    elif progress.state == "failed":
        st.error(escape_markdown(wording.to_sentence(progress.error)), icon=":material/error:")
    return progress.running
