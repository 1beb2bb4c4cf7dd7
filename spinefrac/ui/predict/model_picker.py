"""The same slice answered by several saved models, side by side."""

from __future__ import annotations

from html import escape

import streamlit as st

from spinefrac import imaging, wording
from spinefrac.inference import predictor
from spinefrac.inference.agreement import describe_agreement
from spinefrac.records import CtSlice, Prediction
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout
from spinefrac.viz import heatmap

#: Models beside the chosen one, at most: more would not fit beside each other.
MAX_OTHER_MODELS = 3


def show_model_comparison(
    current_model: SavedModel, key: str, ct: CtSlice, prediction: Prediction
) -> None:
    """Offer the other models, and show what those that are chosen say of this slice."""
    models, _ = layout.list_active_models()
    others = {
        model.id: model
        for model in models
        if isinstance(model, SavedModel) and model.id != current_model.id
    }
    if not others:
        return
    chosen = st.multiselect(
        "Ask other models too", list(others), key="other-models", max_selections=MAX_OTHER_MODELS
    )
    answers = [prediction]
    for name in chosen:
        with layout.show_errors():
            answers.append(_predict(key, name, others[name].card_hash, ct))
    if len(answers) < 2:
        return
    st.html(f'<p class="sf-note">{escape(describe_agreement(answers))}</p>')
    with st.container(key="side-by-side"):
        columns = st.columns(len(answers), gap="medium")
    grey = imaging.to_display(ct)
    for column, answered in zip(columns, answers, strict=True):
        picture = heatmap.render_slice(grey, answered.heatmap)
        words = "" if answered.heatmap is not None else ", which gives no heat map"
        with column:
            st.image(
                heatmap.encode_data_url(picture, ct.spacing_mm, 480),
                width="stretch",
                alt=f"The slice as {answered.model} sees it{words}",
            )
            st.html(_render_prediction_card(answered))


@st.cache_resource(max_entries=24, show_spinner=False, scope="session")
def _predict(key: str, model_id: str, card_hash: str, _ct: CtSlice) -> Prediction:
    return predictor.get_predictor(model_id).predict(_ct)


def _render_prediction_card(prediction: Prediction) -> str:
    check = prediction.input_check
    like = (
        "Not compared with its training slices."
        if check is None
        else "Like its training slices."
        if check.typical
        else wording.to_sentence(check.reason)
    )
    tone = " fracture" if prediction.label == "fracture" else ""
    struck = " suppressed" if check is not None and not check.typical else ""
    none = " It gives no heat map." if prediction.heatmap is None else ""
    return (
        f'<section class="sf-card sf-prediction-card{tone}{struck}">'
        f'<div class="sf-card-title">{escape(prediction.model)}</div>'
        f'<div class="sf-prediction"><span class="label">{escape(prediction.label.capitalize())}</span>'
        f'<span class="probability">{wording.format_percent(prediction.probability)}</span></div>'
        f'<p class="sf-note">Threshold {wording.format_percent(prediction.threshold)}. {escape(like)}{none}</p>'
        "</section>"
    )
