"""Upload & Predict: predictions for a slice, a series or several files, with uncertainty."""

from __future__ import annotations

import streamlit as st

from spinefrac.access.policy import Action
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout, visitor
from spinefrac.ui.predict import (
    batch_view,
    feedback,
    series_view,
    shared_prediction,
    slice_view,
    uncertainty,
    upload,
)
from spinefrac.ui.predict.upload import SliceSet


@visitor.fragment
def show_single_slice(model: SavedModel, slice_set: SliceSet) -> None:
    """Show the only slice of a slice set."""
    with layout.show_errors():
        slice_view.show_slice(model, slice_set, 0)


def show_result(model: SavedModel, slice_set: SliceSet) -> None:
    """Show the predictions for a series, for several files in a table, or for one slice."""
    if slice_set.series is not None:
        series_view.show_series(model, slice_set, slice_set.series)
    elif len(slice_set.slices) + len(slice_set.unreadable) > 1:
        batch_view.show_batch(model, slice_set)
    else:
        show_single_slice(model, slice_set)


def render() -> None:
    """Draw the page."""
    with layout.show_errors():
        model = layout.begin_model_page(
            "Upload & Predict",
            "Predicts the probability of a fracture for CT slices of the spine.",
        )
        if model is not None and visitor.may(Action.PREDICT, model=model.id):
            shared_prediction.show_shared()
            uncertainty.precompute(model)
            input_files = upload.choose_files(model)
            slice_set = upload.choose_slice_set(input_files) if input_files else None
            if slice_set is not None:
                show_result(model, slice_set)
            if visitor.permits(Action.KEEP_PREDICTION):
                with st.expander("History and feedback"):
                    feedback.show_history()
