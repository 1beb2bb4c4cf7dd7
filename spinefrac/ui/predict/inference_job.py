"""Predictions that the page needs: of one slice, cached, and of many, in a background job.

A session has one background job at a time; the next one cancels it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import streamlit as st

from spinefrac import wording
from spinefrac.inference import batch, predictor
from spinefrac.inference.background_jobs import BackgroundJob
from spinefrac.inference.batch import SlicePrediction
from spinefrac.records import CtSlice, Prediction
from spinefrac.store.repository import SavedModel
from spinefrac.system import budgets
from spinefrac.ui.common import layout, session
from spinefrac.ui.predict.upload import SliceSet


def read_slice(slice_set: SliceSet, index: int) -> CtSlice:
    """Return the pixels of a slice, kept for its session; those of a sample for all of them."""
    return (_read_sample if slice_set.is_sample else _read_upload)(slice_set, index)


def predict_slice(model: SavedModel, slice_set: SliceSet, index: int) -> Prediction:
    """Return a model's prediction, kept as the pixels are."""
    return (_predict_sample if slice_set.is_sample else _predict_upload)(model, slice_set, index)


#: What distinguishes a model, whose name may be given again, and a slice set from others.
_KEYS: dict[str | type, Callable[[Any], Any]] = {
    SavedModel: lambda model: (model.id, model.card_hash),
    SliceSet: lambda slice_set: slice_set.key,
}


# A group that looks at one sample waits for one prediction. What is uploaded is for its session
# alone, and gone with it.
@st.cache_resource(max_entries=6, show_spinner=False, hash_funcs=_KEYS)
def _read_sample(slice_set: SliceSet, index: int) -> CtSlice:
    return slice_set.slices[index].read()


@st.cache_resource(max_entries=4, show_spinner=False, scope="session", hash_funcs=_KEYS)
def _read_upload(slice_set: SliceSet, index: int) -> CtSlice:
    return session.hold_slice(slice_set.slices[index].read())


@st.cache_resource(max_entries=6, show_spinner=False, hash_funcs=_KEYS)
def _predict_sample(model: SavedModel, slice_set: SliceSet, index: int) -> Prediction:
    return predictor.get_predictor(model.id).predict(read_slice(slice_set, index))


@st.cache_resource(max_entries=4, show_spinner=False, scope="session", hash_funcs=_KEYS)
def _predict_upload(model: SavedModel, slice_set: SliceSet, index: int) -> Prediction:
    return predictor.get_predictor(model.id).predict(read_slice(slice_set, index))


def get_or_start_job(
    model: SavedModel, slice_set: SliceSet, *, thumbnails: bool = False
) -> BackgroundJob[SlicePrediction]:
    """Return the session's job for a slice set; start it if it is not there."""
    key = (slice_set.key, model.id, model.card_hash)
    current = st.session_state.get("inference-job")
    if current is not None and current[0] == key:
        return current[1]
    if current is not None:
        current[1].cancel()
    predictions = _count_job(
        session.get_owner(),
        batch.predict_slices(
            predictor.get_predictor(model.id), slice_set.slices, with_thumbnails=thumbnails
        ),
    )
    job = BackgroundJob(predictions, len(slice_set.slices))
    st.session_state["inference-job"] = (key, job)
    return job


def _count_job(owner: str, predictions: Iterator[SlicePrediction]) -> Iterator[SlicePrediction]:
    """Return the predictions of a job that counts until it ends, however it ends."""
    key = object()
    budgets.JOBS.hold(owner, key, 1)

    def count() -> Iterator[SlicePrediction]:
        try:
            yield from predictions
        finally:
            budgets.JOBS.release(owner, key)

    return count()


def show_progress(job: BackgroundJob[SlicePrediction], description: str) -> bool:
    """Show the progress of a job, with a button that cancels it; return whether it runs."""
    progress = job.poll()
    if progress.running:
        left, right = st.columns([4, 1], vertical_alignment="center")
        rate = progress.done / max(progress.seconds, 1e-3)
        left.progress(
            progress.done / max(progress.total, 1),
            f"{description}: {progress.done:,} of {progress.total:,}"
            + (f", {rate:.0f} slices/s" if progress.done else ""),
        )
        right.button("Cancel", key="inference-stop", on_click=job.cancel, width="stretch")
    elif progress.state == "cancelled":
        remaining = wording.format_count(
            progress.total - progress.done, "remaining slice has", "remaining slices have"
        )
        st.info(
            f"Cancelled after {progress.done:,} of {progress.total:,}. {remaining} no prediction.",
            icon=":material/info:",
        )
    elif progress.state == "failed":
        layout.show_error(progress.error)
    return progress.running
