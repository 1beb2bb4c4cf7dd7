"""The same slice answered by several saved models, side by side."""

from __future__ import annotations

from html import escape

import streamlit as st

from spinefrac import imaging
from spinefrac.inference import predictor
from spinefrac.inference.agreement import agreement
from spinefrac.records import CtSlice, Prediction
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout
from spinefrac.ui.common.layout import percent
from spinefrac.viz import heatmap

#: Models beside the chosen one, at most: more would not fit beside each other.
MOST = 3


def compare(saved: SavedModel, key: str, ct: CtSlice, prediction: Prediction) -> None:
    """Offer the other models, and show what those that are chosen say of this slice."""
    models, _ = layout.listed()
    others = {
        model.id: model
        for model in models
        if isinstance(model, SavedModel) and model.id != saved.id
    }
    if not others:
        return
    chosen = st.multiselect(
        "Ask other models too", list(others), key="other-models", max_selections=MOST
    )
    answers = [prediction]
    for name in chosen:
        with layout.errors_shown():
            answers.append(_answer(key, name, others[name].card_hash, ct))
    if len(answers) < 2:
        return
    st.html(f'<p class="sf-note">{escape(agreement(answers))}</p>')
    with st.container(key="side-by-side"):
        columns = st.columns(len(answers), gap="medium")
    grey = imaging.display(ct)
    for column, answered in zip(columns, answers, strict=True):
        picture = heatmap.picture(grey, answered.heatmap)
        words = "" if answered.heatmap is not None else ", which gives no heat map"
        with column:
            st.image(
                heatmap.data_url(picture, ct.spacing_mm, 480),
                width="stretch",
                alt=f"The slice as {answered.model} sees it{words}",
            )
            st.html(_card(answered))


@st.cache_resource(max_entries=24, show_spinner=False, scope="session")
def _answer(key: str, model: str, stamp: str, _ct: CtSlice) -> Prediction:
    return predictor.open_model(model).predict(_ct)


def _card(answered: Prediction) -> str:
    check = answered.input_check
    like = (
        "Not compared with its training slices."
        if check is None
        else "Like its training slices."
        if check.typical
        else layout.sentence(check.reason)
    )
    tone = " fracture" if answered.label == "fracture" else ""
    struck = " struck" if check is not None and not check.typical else ""
    none = " It gives no heat map." if answered.heatmap is None else ""
    return (
        f'<section class="sf-card sf-verdict{tone}{struck}">'
        f'<div class="sf-eyebrow">{escape(answered.model)}</div>'
        f'<div class="sf-answer"><span class="label">{escape(answered.label.capitalize())}</span>'
        f'<span class="probability">{percent(answered.probability)}</span></div>'
        f'<p class="sf-note">Threshold {percent(answered.threshold)}. {escape(like)}{none}</p>'
        "</section>"
    )
