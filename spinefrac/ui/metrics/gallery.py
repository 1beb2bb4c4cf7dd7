"""Slices page by page, each with its heat maps, and marks on labels that look wrong."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from spinefrac import imaging, settings, wording
from spinefrac.data import data_roots
from spinefrac.errors import SpinefracError
from spinefrac.inference import predictor
from spinefrac.records import CLASS_NAMES
from spinefrac.store.evaluations import SlicePredictions
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import folders, layout
from spinefrac.ui.common.slice_card import SliceImage, render_slice_card
from spinefrac.viz import heatmap

PAGE_SIZE = 12


@dataclass(frozen=True, slots=True)
class SliceCard:
    """One slice of the gallery.

    Attributes
    ----------
    path, group : str
        As in the data set.
    label : int
        1 is a fracture.
    pixel_hash : str
        Empty where it is not known.
    lines : tuple of str
        What the models predict, one line each.
    """

    path: str
    group: str
    label: int
    pixel_hash: str
    lines: tuple[str, ...]


def make_card(predictions: SlicePredictions, row: int, lines: tuple[str, ...]) -> SliceCard:
    """Return the card of one slice, with `lines` below it."""
    return SliceCard(
        predictions.paths[row],
        str(predictions.groups[row]),
        int(predictions.labels[row]),
        predictions.pixel_hashes[row] if predictions.pixel_hashes else "",
        lines,
    )


def show_gallery(
    cards: Sequence[SliceCard],
    models: Sequence[SavedModel],
    description: str,
    *,
    out_of_fold: bool,
) -> None:
    """Show slices page by page, each with the heat map of each model if its file is found.

    Parameters
    ----------
    cards : sequence of SliceCard
    models : sequence of SavedModel
    description : str
        Which slices they are, in lower case.
    out_of_fold : bool
        Whether each probability is of the one network that was not trained on the slice.
    """
    if not cards:
        st.info(f"No slices in this category: {description}.", icon=":material/info:")
        return
    folder = _locate_dataset(cards[0])
    n_pages = -(-len(cards) // PAGE_SIZE)
    number = 1
    if n_pages > 1:
        number = st.number_input(
            f"Page (of {n_pages})", 1, n_pages, 1, key=f"page-{description}", width=140
        )
    st.caption(f"{wording.format_count(len(cards), 'slice')}: {description}.")
    with st.container(key="gallery-wide" if len(models) > 1 else "gallery"):
        layout.show_rows(
            cards[PAGE_SIZE * (number - 1) : PAGE_SIZE * number],
            lambda card: _show_card(card, models, folder),
        )
    _offer_marked_download()
    if folder is not None:
        note = (
            "Colours of the heat maps are relative to the maximum in each slice and cannot be "
            "compared between slices."
        )
        if out_of_fold:
            note += (
                " The heat maps are of the whole ensemble, most of whose networks were trained on "
                "these slices. The probability is from the one network that was not."
            )
        st.caption(note)


def _show_card(card: SliceCard, models: Sequence[SavedModel], folder: Path | None) -> None:
    key = make_widget_key(card.path)
    with st.container(key=f"slice-{key}"):
        images = []
        if folder is not None:
            captions = [model.id if len(models) > 1 else "" for model in models]
            images = [
                _render_image(card, model, folder, caption)
                for model, caption in zip(models, captions, strict=True)
            ]
        st.html(
            render_slice_card(
                card.path, images, card.lines, label=f"label: {CLASS_NAMES[card.label]}"
            )
        )
        st.checkbox(
            "Mark as label error",
            value=card.path in _get_marked_slices(),
            key=f"mark-label-{key}",
            on_change=_update_mark,
            args=(card,),
        )


def make_widget_key(path: str) -> str:
    """Return a key for the widgets of a slice: the same in every process and session."""
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:16]


# --- marks on labels ---------------------------------------------------------------------


def _get_marked_slices() -> dict[str, SliceCard]:
    return st.session_state.setdefault("marked-labels", {})


def _update_mark(card: SliceCard) -> None:
    if st.session_state[f"mark-label-{make_widget_key(card.path)}"]:
        _get_marked_slices()[card.path] = card
    else:
        _get_marked_slices().pop(card.path, None)


def format_marked_csv(cards: Sequence[SliceCard]) -> str:
    """Return the marked slices as CSV: path, group, label and predictions."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("path", "group", "label", "answers"))
    writer.writerows(
        (card.path, card.group, CLASS_NAMES[card.label], "; ".join(card.lines)) for card in cards
    )
    return text.getvalue()


def _offer_marked_download() -> None:
    """Offer the marked slices as CSV."""
    marked = list(_get_marked_slices().values())
    if not marked:
        return
    st.download_button(
        f"Download marked slices ({len(marked)})",
        format_marked_csv(marked).encode("utf-8", "replace"),
        "labels-that-look-wrong.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    st.caption(
        "Marks are lost when you close this page. They are not stored in the address, because "
        "file names may identify patients. Download them to keep them."
    )


# --- images ------------------------------------------------------------------------------


def _locate_dataset(first_card: SliceCard) -> Path | None:
    """Return the folder of the data set: found in the data roots, or asked for; None if unknown."""
    if not st.session_state.get("dataset-folder"):
        found = folders.find(first_card.path)
        if found is not None:
            return found
    typed = st.text_input(
        "Folder of the data set",
        key="dataset-folder",
        help="The model card does not store the path of the data set. Enter its folder; allowed: "
        f"{', '.join(str(root) for root in settings.data_roots())}.",
    )
    if not typed:
        st.info(
            "Data set not found in the data folders, so slices are listed without images. Enter "
            "its folder to see them.",
            icon=":material/folder_off:",
        )
        return None
    try:
        return folders.resolve(typed)
    except SpinefracError as error:
        layout.show_error(str(error))
        return None


@st.cache_data(max_entries=256, show_spinner=False, scope="session")
def _encode_slice(folder: Path, path: str, pixel_hash: str, model_id: str, card_hash: str) -> str:
    """Return a slice under a model's heat map as a ``data:`` address."""
    ct = data_roots.read_slice(folder, path, pixel_hash)
    prediction = predictor.get_predictor(model_id).predict(ct)
    image = heatmap.render_slice(imaging.to_display(ct), prediction.heatmap)
    return heatmap.encode_data_url(image, ct.spacing_mm, max_side=288)


def _render_image(card: SliceCard, model: SavedModel, folder: Path, caption: str) -> SliceImage:
    """Return a slice under a model's heat map, or why it cannot be shown."""
    try:
        source = _encode_slice(folder, card.path, card.pixel_hash, model.id, model.card_hash)
    except SpinefracError as error:
        return SliceImage(error=wording.to_sentence(str(error)), caption=caption)
    return SliceImage(source, caption=caption, alt="CT slice with heat map")
