"""Upload & Predict: a slice, a series or many files in; the model's answer out, with its doubt."""

from __future__ import annotations

import streamlit as st

from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout
from spinefrac.ui.predict import batch_view, feedback, series_view, slice_view, uncertainty, upload
from spinefrac.ui.predict.upload import SliceSet


@st.fragment
def show_single_slice(model: SavedModel, slice_set: SliceSet) -> None:
    """Show the one slice that was brought."""
    with layout.show_errors():
        slice_view.show_slice(model, slice_set, 0)


def show_result(model: SavedModel, slice_set: SliceSet) -> None:
    """Show what was brought as what it is: a series, a table of many, or one slice."""
    if slice_set.series is not None:
        series_view.show_series(model, slice_set)
    elif len(slice_set.slices) + len(slice_set.unreadable) > 1:
        batch_view.show_batch(model, slice_set)
    else:
        show_single_slice(model, slice_set)


def render() -> None:
    """Draw the page."""
    with layout.show_errors():
        model = layout.begin_model_page(
            "Upload & Predict",
            "Reads CT slices of the spine and says how likely each shows a fracture.",
        )
        if model is not None:
            uncertainty.precompute(model)
            chosen = upload.choose_files(model)
            picked = upload.choose_slice_set(chosen) if chosen else None
            if picked is not None:
                show_result(model, picked)
            with st.expander("Earlier answers, and what people said of them"):
                feedback.show_history()
