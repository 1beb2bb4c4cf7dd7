"""The heat map of a network that gives none by itself: asked for, and told what it is."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import streamlit as st

from spinefrac import wording
from spinefrac.errors import ModelError
from spinefrac.inference import gradcam
from spinefrac.records import CtSlice, FloatImage, ModelInput, Prediction
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common.layout import escape_markdown


def offer_gradcam(model: SavedModel, ct: CtSlice, prediction: Prediction) -> Prediction:
    """Return the prediction with a Grad-CAM where one was asked for and can be computed.

    Call where `Prediction.heatmap` is None. It takes ten seconds, so people ask for it; the
    page says why where there is none, and shows nothing in its place.
    """
    if prediction.heatmap is not None:
        return prediction
    shape = (ct.pixels.shape[0], ct.pixels.shape[1])
    key = hashlib.sha256(prediction.input.pixels.tobytes()).hexdigest()
    asked = st.session_state.setdefault("gradcam-requests", set())
    place = (model.card_hash, key)
    if place not in asked:
        st.html(
            '<p class="sf-note">This network gives no exact heat map. Grad-CAM can be computed '
            "from its Keras file: an approximation of where it looks, in about ten seconds.</p>"
        )
        if not st.button("Compute Grad-CAM", key="gradcam-compute", icon=":material/target:"):
            return prediction
        asked.add(place)
        st.rerun()  # the question goes, the answer comes
    try:
        found = _compute_gradcam(
            _GradCamRequest(model, prediction.input), model.card_hash, key, shape
        )
    except ModelError as error:
        st.warning(escape_markdown(wording.to_sentence(str(error))), icon=":material/target:")
        return prediction
    st.html('<p class="sf-note">Grad-CAM: an approximation of where the network looks.</p>')
    return replace(prediction, heatmap=found)


class _GradCamRequest:
    """What is asked; not part of the cache's key, which is the model and the picture."""

    def __init__(self, model: SavedModel, model_input: ModelInput) -> None:
        self.model, self.input = model, model_input


@st.cache_data(max_entries=16, show_spinner="Asking Keras where the network looks…")
def _compute_gradcam(
    _request: _GradCamRequest, card_hash: str, input_hash: str, shape: tuple[int, int]
) -> FloatImage:
    return gradcam.compute_gradcam(_request.model, _request.input, shape)
