"""The part of the answer that tries whether it depends on the region its heat map points at."""

from __future__ import annotations

from html import escape

import cv2
import streamlit as st

from spinefrac import imaging
from spinefrac.inference import occlusion, predictor
from spinefrac.inference.occlusion import OcclusionTest
from spinefrac.records import CtSlice, Prediction, Square
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common.layout import show_errors
from spinefrac.viz import heatmap

_BOX_COLOUR = (95, 183, 208)
#: The picture beside the words shows so many times the region around it.
_CONTEXT_FACTOR = 3.0


@st.fragment
def show_occlusion(
    model: SavedModel, ct: CtSlice, prediction: Prediction, *, on_demand: bool = False
) -> None:
    """Blur the hottest region and random ones, and show how the probability moves.

    Forty passes through the network: a third of a second for a small one. `on_demand` leaves it to
    a button, for a series that is scrolled through.
    """
    if prediction.heatmap is None:
        return
    with show_errors(), st.container(key="occlusion"):
        st.html('<div class="sf-card-title">Does the answer depend on that region?</div>')
        if on_demand and not st.button("Blur it and ask again", key="occlusion-run"):
            st.html(
                '<p class="sf-note">Blurs the hottest region and 39 random ones in turn, and '
                "compares how far the probability falls.</p>"
            )
            return
        found = _measure_occlusion(
            _OcclusionRequest(model, prediction),
            model.id,
            model.card_hash,
            _hash_prediction(prediction),
        )
        picture_column, words_column = st.columns([1, 2.2], gap="medium")
        picture_column.image(
            heatmap.encode_data_url(_crop_region(ct, found.region), ct.spacing_mm, 320),
            width="stretch",
            alt="The hottest region, framed",
        )
        words_column.html(
            _render_occlusion_scale(found) + f'<p class="sf-note">{escape(found.summary)}</p>'
        )


class _OcclusionRequest:
    """What is asked; not part of the cache's key, which is the model and the picture."""

    def __init__(self, model: SavedModel, prediction: Prediction) -> None:
        self.model, self.prediction = model, prediction


@st.cache_data(max_entries=32, show_spinner="Blurring and asking again…", scope="session")
def _measure_occlusion(
    _request: _OcclusionRequest, model_id: str, card_hash: str, prediction_hash: str
) -> OcclusionTest:
    return occlusion.run_occlusion_test(predictor.get_predictor(model_id), _request.prediction)


def _hash_prediction(prediction: Prediction) -> str:
    """Tell one slice's answer from another's by what the network saw."""
    import hashlib

    heat = b"" if prediction.heatmap is None else prediction.heatmap.tobytes()
    return hashlib.sha256(prediction.input.pixels.tobytes() + heat).hexdigest()


def _crop_region(ct: CtSlice, region: Square) -> object:
    """Return the region framed with what lies around it, RGB."""
    grey = imaging.to_display(ct)
    picture = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    thick = max(1, round(region.side / 24))
    corner = (region.left, region.top)
    cv2.rectangle(
        picture, corner, (region.left + region.side, region.top + region.side), _BOX_COLOUR, thick
    )
    reach = round(region.side * (_CONTEXT_FACTOR - 1) / 2)
    top, left = max(region.top - reach, 0), max(region.left - reach, 0)
    return picture[top : region.top + region.side + reach, left : region.left + region.side + reach]


def _render_occlusion_scale(result: OcclusionTest) -> str:
    """Return a line of probabilities: as it is, with the region blurred, with random ones."""
    dots = "".join(
        f'<i class="random" style="left:{100 * p:.1f}%"></i>' for p in result.random_probabilities
    )
    return (
        '<div class="sf-occlusion-scale" role="img" aria-label="Probabilities with regions blurred">'
        f'<div class="axis"></div>{dots}'
        f'<i class="original" style="left:{100 * result.probability:.1f}%"></i>'
        f'<i class="hottest" style="left:{100 * result.occluded_probability:.1f}%"></i></div>'
        '<div class="sf-occlusion-legend"><span><i class="original"></i>as it is</span>'
        '<span><i class="hottest"></i>this region blurred</span>'
        '<span><i class="random"></i>a random one blurred</span></div>'
    )
