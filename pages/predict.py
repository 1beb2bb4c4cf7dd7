"""Upload & Predict: one slice in, the model's answer out, its doubt beside it."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages import _answer, _record, _samples, _shared
from spinefrac import charts, imaging
from spinefrac.records import CtSlice, Prediction
from spinefrac.serving import predictor
from spinefrac.store.saved import SavedModel

AXES = {"Axial": 2, "Coronal": 1, "Sagittal": 0}


@dataclass(frozen=True)
class Chosen:
    """The bytes to answer on; `truth` is known for bundled samples only."""

    content: bytes
    truth: str = ""


def choose_slice(saved: SavedModel) -> Chosen | None:
    """Let the user bring a file or click a sample; whichever came last counts.

    Before the choice the samples are large and the model's record stands beside them; after
    it both make room for the answer.
    """
    state = st.session_state
    key = f"upload-{state.setdefault('uploads', 0)}"
    fresh = state.get("sample") is None and state.get(key) is None
    left, right = st.columns([1.1, 1] if fresh else [1, 1.4], gap="medium")
    with left:
        upload = st.file_uploader(
            "CT slice: DICOM, PNG, JPEG, TIFF, BMP or a NIfTI volume",
            key=key,
            on_change=state.pop,
            args=("sample", None),
            help="The content decides, not the name: DICOM files need no extension. "
            "The file stays in this machine's memory and is gone with the session.",
        )
    if fresh:
        right.html(_record.record(saved) + _record.about(saved))
    with left if fresh else right:
        st.html('<div class="sf-label">Or a synthetic sample that the model has not seen</div>')
        clicked = _samples.gallery(state.get("sample"), large=fresh)
    if clicked is not None:
        state["sample"] = clicked
        state["uploads"] += 1  # a new key empties the uploader
        st.rerun()
    if upload is not None:
        return Chosen(upload.getvalue())
    sample = state.get("sample")
    return Chosen(sample.path.read_bytes(), sample.truth) if sample else None


@st.cache_data(max_entries=8, show_spinner=False, scope="session")
def read(content: bytes, position: int | None, axis: int) -> CtSlice:
    return imaging.read(content, position=position, axis=axis)


@st.cache_data(max_entries=8, show_spinner="Looking at the slice…", scope="session")
def answer(content: bytes, position: int | None, axis: int, model: str, stamp: str) -> Prediction:
    """Return the model's answer; `stamp` tells a model from another of the same name."""
    return predictor.open_model(model).predict(read(content, position, axis))


def choose_position(content: bytes) -> tuple[int | None, int]:
    """Let the user choose a slice of a volume; (None, 2) where the file holds one slice."""
    ct = read(content, None, 2)
    if ct.count == 1:
        return None, 2
    axis_column, slice_column = st.columns([1, 2], gap="medium")
    axis = 2
    if ct.format == "nifti":
        axis = AXES[axis_column.segmented_control("Plane", list(AXES), default="Axial") or "Axial"]
        ct = read(content, None, axis)
    number = slice_column.slider("Slice", 1, ct.count, ct.position + 1, key=f"slice-{axis}")
    return number - 1, axis


@st.fragment
def viewer(ct: CtSlice, prediction: Prediction) -> None:
    """Show the slice under its heat map. A fragment: the slider redraws this and no more."""
    with st.container(key="viewer"):
        picture = st.container()
        legend_column, strength_column = st.columns(2, gap="medium", vertical_alignment="center")
        legend_column.html(_answer.legend(prediction))
        strength = strength_column.slider(
            "Strength of the heat map", 0, 100, 70, format="%d %%", key="strength"
        )
        grey = imaging.display(ct)
        picture.image(
            charts.data_url(
                charts.picture(grey, prediction.heatmap, strength / 100), ct.spacing_mm
            ),
            width="stretch",
            alt="CT slice with the heat map of the model's evidence for a fracture",
        )


def show(saved: SavedModel, chosen: Chosen) -> None:
    """Answer on the chosen slice and show everything that belongs to the answer."""
    position, axis = choose_position(chosen.content)
    ct = read(chosen.content, position, axis)
    prediction = answer(chosen.content, position, axis, saved.id, saved.card_hash)
    picture_column, answer_column = st.columns([1.1, 1], gap="medium")
    with picture_column:
        viewer(ct, prediction)
    with answer_column:
        st.html(
            _answer.verdict(prediction, chosen.truth)
            + _answer.input_check(prediction.input_check)
            + _record.record(saved)
        )
        with st.expander("What the model sees"):
            st.image(charts.data_url(prediction.input.pixels), width=240, alt="The network's input")
            st.html(_answer.seen(saved, ct, prediction))


with _shared.errors_shown():
    model = _shared.page_with_model(
        "Upload & Predict",
        "Reads one CT slice of the spine and says how likely it shows a fracture.",
    )
    if model is not None:
        slice_chosen = choose_slice(model)
        if slice_chosen is not None:
            show(model, slice_chosen)
