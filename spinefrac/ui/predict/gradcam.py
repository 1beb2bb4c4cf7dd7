"""Grad-CAM for a network without a built-in heat map: computed when the user asks for it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import streamlit as st

from spinefrac.errors import ModelError
from spinefrac.inference import gradcam
from spinefrac.records import CtSlice, FloatImage, ModelInput, Prediction
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout


def offer_gradcam(model: SavedModel, ct: CtSlice, prediction: Prediction) -> Prediction:
    """Return the prediction with a Grad-CAM where the user asked for one.

    Call where `Prediction.heatmap` is None. It takes ten seconds, so a button starts it. Where it
    cannot be computed the page says why and shows nothing in its place.
    """
    if prediction.heatmap is not None:
        return prediction
    shape = (ct.pixels.shape[0], ct.pixels.shape[1])
    input_hash = hashlib.sha256(prediction.input.pixels.tobytes()).hexdigest()
    requests = st.session_state.setdefault("gradcam-requests", set())
    request = (model.card_hash, input_hash)
    if request not in requests:
        layout.show_note(
            "This network has no built-in heat map. Grad-CAM can be computed from the Keras file: "
            "an approximate heat map, in about ten seconds."
        )
        if not st.button("Compute Grad-CAM", key="gradcam-compute", icon=":material/target:"):
            return prediction
        requests.add(request)
        st.rerun()  # without the note and the button
    try:
        heatmap = _compute_gradcam(model, prediction.input, model.card_hash, input_hash, shape)
    except ModelError as error:
        layout.show_warning(str(error), icon=":material/target:")
        return prediction
    layout.show_note("Heat map: Grad-CAM (approximate).")
    return replace(prediction, heatmap=heatmap)


@st.cache_data(max_entries=16, show_spinner="Computing Grad-CAM…")
def _compute_gradcam(
    _model: SavedModel,
    _model_input: ModelInput,
    card_hash: str,
    input_hash: str,
    shape: tuple[int, int],
) -> FloatImage:
    """Return the heat map of a slice of `shape`, cached by the card and the input."""
    return gradcam.compute_gradcam(_model, _model_input, shape)
