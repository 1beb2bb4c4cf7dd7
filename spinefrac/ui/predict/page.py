"""Upload & Predict: a slice, a series or many files in; the model's answer out, with its doubt."""

from __future__ import annotations

import streamlit as st

from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout
from spinefrac.ui.predict import batch_view, feedback, series_view, slice_view, uncertainty, upload
from spinefrac.ui.predict.upload import Subject


@st.fragment
def look(saved: SavedModel, subject: Subject) -> None:
    """Show the one slice that was brought."""
    with layout.errors_shown():
        slice_view.show(saved, subject, 0)


def show(saved: SavedModel, subject: Subject) -> None:
    """Show what was brought as what it is: a series, a table of many, or one slice."""
    if subject.series is not None:
        series_view.show(saved, subject)
    elif len(subject.slices) + len(subject.unreadable) > 1:
        batch_view.show(saved, subject)
    else:
        look(saved, subject)


def render() -> None:
    """Draw the page."""
    with layout.errors_shown():
        model = layout.page_with_model(
            "Upload & Predict",
            "Reads CT slices of the spine and says how likely each shows a fracture.",
        )
        if model is not None:
            uncertainty.prepare(model)
            chosen = upload.choose(model)
            picked = upload.pick(chosen) if chosen else None
            if picked is not None:
                show(model, picked)
            with st.expander("Earlier answers, and what people said of them"):
                feedback.show()
