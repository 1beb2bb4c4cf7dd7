"""Upload & Predict: a slice, a series or many files in; the model's answer out, with its doubt."""

from __future__ import annotations

import streamlit as st

from pages import (
    _doubt,
    _history,
    _predict_batch,
    _predict_input,
    _predict_series,
    _predict_slice,
    _shared,
)
from pages._predict_input import Subject
from spinefrac.store.saved import SavedModel


@st.fragment
def look(saved: SavedModel, subject: Subject) -> None:
    """Show the one slice that was brought."""
    with _shared.errors_shown():
        _predict_slice.show(saved, subject, 0)


def show(saved: SavedModel, subject: Subject) -> None:
    """Show what was brought as what it is: a series, a table of many, or one slice."""
    if subject.series is not None:
        _predict_series.show(saved, subject)
    elif len(subject.slices) + len(subject.unreadable) > 1:
        _predict_batch.show(saved, subject)
    else:
        look(saved, subject)


with _shared.errors_shown():
    model = _shared.page_with_model(
        "Upload & Predict",
        "Reads CT slices of the spine and says how likely each shows a fracture.",
    )
    if model is not None:
        _doubt.prepare(model)
        chosen = _predict_input.choose(model)
        picked = _predict_input.pick(chosen) if chosen else None
        if picked is not None:
            show(model, picked)
        with st.expander("Earlier answers, and what people said of them"):
            _history.show()
