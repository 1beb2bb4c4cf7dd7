"""Occlusion test: whether the prediction depends on the region that the heat map highlights."""

from __future__ import annotations

import hashlib
import os
import threading

import cv2
import streamlit as st

from spinefrac import imaging
from spinefrac.inference import occlusion, predictor
from spinefrac.inference.occlusion import OcclusionTest
from spinefrac.records import CtSlice, GreyImage, Prediction, Square
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout, visitor
from spinefrac.ui.common.layout import show_errors
from spinefrac.ui.common.templates import render_html
from spinefrac.viz import heatmap

#: Tests at the same time: each is forty passes, and a prediction, of one pass, finds a free core.
_places = threading.BoundedSemaphore(max(1, (os.cpu_count() or 1) // 2))
#: The colour of the box, RGB: `--sf-no-fracture` of the dark theme, as CT slices are dark.
_BOX_COLOUR = (95, 183, 208)
#: Side of the image beside the text, in sides of the region.
_CONTEXT_FACTOR = 3.0


@visitor.fragment
def show_occlusion(
    model: SavedModel, ct: CtSlice, prediction: Prediction, *, on_demand: bool = False
) -> None:
    """Blur the highlighted region and random ones, and show how the probability changes.

    Forty passes through the network: a third of a second for a small one.

    Parameters
    ----------
    model, ct, prediction
    on_demand : bool
        Wait for a button, as in a series that the user scrolls through.
    """
    if prediction.heatmap is None:
        return
    with show_errors(), st.container(key="occlusion"):
        layout.show_card_title(
            "Occlusion test: does the prediction depend on the highlighted region?"
        )
        if on_demand and not st.button("Run occlusion test", key="occlusion-run"):
            layout.show_note(
                "Blurs the highlighted region, then 39 random regions, and compares how much the "
                "probability drops."
            )
            return
        result = _run_occlusion_test(
            prediction, model.id, model.card_hash, _hash_prediction(prediction)
        )
        image_column, text_column = st.columns([1, 2.2], gap="medium")
        image_column.image(
            heatmap.encode_data_url(_crop_region(ct, result.region), ct.spacing_mm, 320),
            width="stretch",
            alt="The highlighted region, marked by a box",
        )
        text_column.html(render_html("predict/occlusion.html", result=result))


# For all sessions: a group that looks at one slice waits for one test, and the result holds no
# pixels.
@st.cache_data(max_entries=256, show_spinner="Running occlusion test…")
def _run_occlusion_test(
    _prediction: Prediction, model_id: str, card_hash: str, prediction_hash: str
) -> OcclusionTest:
    """Return the test's result, cached by the model's card and the prediction's content."""
    with _places:
        return occlusion.run_occlusion_test(predictor.get_predictor(model_id), _prediction)


def _hash_prediction(prediction: Prediction) -> str:
    """Return a hash of the network's input, of where it was cut, and of the heat map."""
    heat = b"" if prediction.heatmap is None else prediction.heatmap.tobytes()
    square = repr(prediction.input.square).encode()
    return hashlib.sha256(prediction.input.pixels.tobytes() + square + heat).hexdigest()


def _crop_region(ct: CtSlice, region: Square) -> GreyImage:
    """Return the region, marked by a box, and its surroundings: uint8, shape (H, W, 3), RGB."""
    image = cv2.cvtColor(imaging.to_display(ct), cv2.COLOR_GRAY2RGB).astype("uint8", copy=False)
    bottom, right = region.top + region.side, region.left + region.side
    thickness = max(1, round(region.side / 24))
    cv2.rectangle(image, (region.left, region.top), (right, bottom), _BOX_COLOUR, thickness)
    margin = round(region.side * (_CONTEXT_FACTOR - 1) / 2)
    top, left = max(region.top - margin, 0), max(region.left - margin, 0)
    return image[top : bottom + margin, left : right + margin]
