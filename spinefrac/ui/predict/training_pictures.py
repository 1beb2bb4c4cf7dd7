"""Pictures of the nearest training slices, for people who may see that data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from spinefrac import imaging
from spinefrac.access.policy import Action
from spinefrac.data import data_roots
from spinefrac.errors import SpinefracError
from spinefrac.imaging.hounsfield import BONE_WINDOW
from spinefrac.records import NearestSlice
from spinefrac.store import repository
from spinefrac.store.repository import SavedModel
from spinefrac.store.training_slices import TrainingSlice, find_training_slices
from spinefrac.ui.common import folders, visitor
from spinefrac.viz import heatmap


def load_pictures(model: SavedModel, nearest: Sequence[NearestSlice]) -> list[str]:
    """Return a picture of each slice as a ``data:`` address, empty where there is none to show.

    Nothing is kept: a slice is read from its data set, where the person may see it and its pixels
    are those that the model was trained on.
    """
    if not nearest or not visitor.permits(Action.REVIEW_LABELS):
        return [""] * len(nearest)
    try:
        found = _find_slices(model.id, model.card_hash, tuple(nearest))
    except SpinefracError:
        return [""] * len(nearest)
    return [_load_picture(one) if one else "" for one in found]


def _load_picture(one: TrainingSlice) -> str:
    folder = folders.find(one.path)
    try:
        return _encode_picture(folder, one.path, one.pixel_hash) if folder else ""
    except SpinefracError:  # removed, damaged or changed since the training
        return ""


@st.cache_data(max_entries=16, show_spinner=False, scope="session")
def _find_slices(
    model_id: str, card_hash: str, nearest: tuple[NearestSlice, ...]
) -> list[TrainingSlice | None]:
    return find_training_slices(repository.load(model_id), nearest)


@st.cache_data(max_entries=48, show_spinner=False, scope="session")
def _encode_picture(folder: Path, path: str, pixel_hash: str) -> str:
    ct = data_roots.read_slice(folder, path, pixel_hash)
    return heatmap.thumbnail_url(heatmap.encode_thumbnail(imaging.to_display(ct, BONE_WINDOW)))
