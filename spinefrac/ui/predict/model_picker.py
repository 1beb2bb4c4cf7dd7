"""The same slice predicted by several saved models, side by side."""

from __future__ import annotations

import streamlit as st
from markupsafe import Markup

from spinefrac import imaging
from spinefrac.inference import predictor
from spinefrac.inference.agreement import describe_agreement
from spinefrac.records import CtSlice, Prediction
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout
from spinefrac.ui.common.templates import render_html
from spinefrac.viz import heatmap

#: Models beside the chosen one, at most: more would not fit beside each other.
MAX_OTHER_MODELS = 3


def show_model_comparison(
    current_model: SavedModel, key: str, ct: CtSlice, prediction: Prediction
) -> None:
    """Offer the other models, and show the predictions of those that are chosen."""
    models, _ = layout.list_active_models()
    others = {
        model.id: model
        for model in models
        if isinstance(model, SavedModel) and model.id != current_model.id
    }
    if not others:
        return
    chosen = st.multiselect(
        "Compare with other models",
        list(others),
        key="other-models",
        max_selections=MAX_OTHER_MODELS,
    )
    predictions = [prediction]
    layout.show_rows(
        chosen,
        lambda name: predictions.append(_predict(key, name, others[name].card_hash, ct)),
    )
    if len(predictions) < 2:
        return
    layout.show_note(describe_agreement(predictions))
    with st.container(key="side-by-side"):
        columns = st.columns(len(predictions), gap="medium")
    grey = imaging.to_display(ct)
    for column, one in zip(columns, predictions, strict=True):
        image = heatmap.render_slice(grey, one.heatmap)
        with column:
            st.image(
                heatmap.encode_data_url(image, ct.spacing_mm, 480),
                width="stretch",
                alt=f"The slice without a heat map, predicted by {one.model}"
                if one.heatmap is None
                else f"The slice with the heat map of {one.model}",
            )
            st.html(_render_model_prediction(one))


@st.cache_resource(max_entries=24, show_spinner=False, scope="session")
def _predict(key: str, model_id: str, card_hash: str, _ct: CtSlice) -> Prediction:
    """Return a model's prediction, cached by the slice's `key` and the model's card."""
    return predictor.get_predictor(model_id).predict(_ct)


def _render_model_prediction(prediction: Prediction) -> Markup:
    return render_html(
        "predict/model_prediction.html", prediction=prediction, check=prediction.input_check
    )
