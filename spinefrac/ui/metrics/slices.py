"""Slices behind the numbers: those of a cell of the confusion matrix, the worst errors."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import streamlit as st

from spinefrac import imaging, settings, wording
from spinefrac.audit import label_errors
from spinefrac.data import data_roots
from spinefrac.errors import SpinefracError
from spinefrac.inference import predictor
from spinefrac.records import CLASS_NAMES
from spinefrac.store.evaluations import SlicePredictions
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout
from spinefrac.viz import heatmap

#: Which slices to show: key to words.
FILTER_TITLES = {
    "errors": "Worst errors",
    "false-negatives": "Missed fractures",
    "false-positives": "False alarms",
    "true-positives": "Found fractures",
    "true-negatives": "Rightly cleared",
    "near-threshold": "Nearest to the threshold",
    "suspected-label-errors": "Labels to check",
}
PAGE_SIZE = 12


@dataclass(frozen=True)
class SliceCard:
    """One slice of the gallery: who says what about it."""

    path: str
    group: str
    label: int
    pixel_hash: str
    lines: tuple[str, ...]


def rank_slices(predictions: SlicePredictions, threshold: float, slice_filter: str) -> np.ndarray:
    """Return the rows of the slices to show, the most telling first, shape (n,)."""
    if slice_filter == "suspected-label-errors":
        row_of = {path: row for row, path in enumerate(predictions.paths)}
        found = label_errors.find_suspects(
            predictions.paths, predictions.labels, predictions.probabilities
        )
        return np.array([row_of[entry.path] for entry in found], dtype=int)
    wrongness = np.where(
        predictions.labels == 1, 1 - predictions.probabilities, predictions.probabilities
    )
    called = predictions.probabilities >= threshold
    truth = predictions.labels == 1
    chosen = {
        "errors": called != truth,
        "false-negatives": truth & ~called,
        "false-positives": ~truth & called,
        "true-positives": truth & called,
        "true-negatives": ~truth & ~called,
        "near-threshold": np.ones(len(truth), bool),
    }[slice_filter]
    key = (
        np.abs(predictions.probabilities - threshold)
        if slice_filter == "near-threshold"
        else -wrongness
    )
    rows = np.flatnonzero(chosen)
    return rows[np.argsort(key[rows], kind="stable")]


def show_slices(model: SavedModel, predictions: SlicePredictions, threshold: float) -> None:
    """Show the chosen slices of one model."""
    chosen = st.pills(
        "Slices",
        list(FILTER_TITLES),
        default="errors",
        required=True,
        format_func=FILTER_TITLES.__getitem__,
        key="show",
        bind="query-params",
        label_visibility="collapsed",
    )
    rows = rank_slices(predictions, threshold, chosen or "errors")
    if chosen == "suspected-label-errors":
        st.caption(
            "Slices whose label the answers contradict so strongly that it may be wrong (confident "
            "learning), the surest first. Others are right and hard: look at each."
        )
    cards = []
    for row in rows.tolist():
        fold = "" if predictions.folds is None else f" · fold {predictions.folds[row] + 1}"
        score = wording.format_number(float(predictions.probabilities[row]), 3)
        cards.append(make_card(predictions, row, (f"probability {score}{fold}",)))
    show_gallery(cards, [model], f"{FILTER_TITLES[chosen or 'worst'].lower()}")


def make_card(predictions: SlicePredictions, row: int, lines: tuple[str, ...]) -> SliceCard:
    digest = predictions.pixel_hashes[row] if predictions.pixel_hashes else ""
    return SliceCard(
        predictions.paths[row],
        str(predictions.groups[row]),
        int(predictions.labels[row]),
        digest,
        lines,
    )


def show_gallery(
    cards: Sequence[SliceCard], models: Sequence[SavedModel], description: str
) -> None:
    """Show slices page by page, each under the heat map of each model where it can be found."""
    if not cards:
        st.info(f"No slices here: {description}.", icon=":material/info:")
        return
    folder = _locate_dataset(cards[0])
    pages = -(-len(cards) // PAGE_SIZE)
    number = 1
    if pages > 1:
        number = st.number_input(
            f"Page, of {pages}", 1, pages, 1, key=f"page-{description}", width=140
        )
    shown = cards[PAGE_SIZE * (number - 1) : PAGE_SIZE * number]
    st.caption(f"{len(cards):,} slices: {description}.")
    with st.container(key="gallery-wide" if len(models) > 1 else "gallery"):
        for entry in shown:
            with st.container(key=f"slice-{_make_widget_key(entry)}"):
                st.html(_render_slice_card(entry, models, folder))
                st.checkbox(
                    "Label looks wrong",
                    value=entry.path in _get_marked_slices(),
                    key=f"mark-label-{_make_widget_key(entry)}",
                    on_change=_update_mark,
                    args=(entry,),
                )
    _offer_marked_download()
    if folder is not None:
        st.caption(
            "The heat maps are the whole ensemble's, most networks of which were trained on "
            "these slices where the answers are out-of-fold; the probability is that of the one "
            "network that had not seen the patient. Colours are relative to the most in each "
            "slice: they say where, not how much, and cannot be compared between slices."
        )


def _make_widget_key(entry: SliceCard) -> str:
    return str(abs(hash(entry.path)))


# --- doubts about labels -----------------------------------------------------------------


def _get_marked_slices() -> dict[str, SliceCard]:
    return st.session_state.setdefault("marked-labels", {})


def _update_mark(entry: SliceCard) -> None:
    if st.session_state[f"mark-label-{_make_widget_key(entry)}"]:
        _get_marked_slices()[entry.path] = entry
    else:
        _get_marked_slices().pop(entry.path, None)


def _offer_marked_download() -> None:
    """Offer the marked slices as CSV."""
    doubts = _get_marked_slices()
    if not doubts:
        return
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("path", "group", "label", "answers"))
    writer.writerows(
        (entry.path, entry.group, CLASS_NAMES[entry.label], "; ".join(entry.lines))
        for entry in doubts.values()
    )
    st.download_button(
        f"Labels that look wrong ({len(doubts)})",
        text.getvalue().encode("utf-8", "replace"),
        "labels-that-look-wrong.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    st.caption(
        "The marks last until this page is closed. They are not in its address, because names of "
        "files may tell who a patient is: download them to keep them."
    )


# --- pictures ----------------------------------------------------------------------------


def _locate_dataset(first_card: SliceCard) -> Path | None:
    """Return where the data set lies: found in the data roots, or asked for; None if unknown."""
    roots = settings.data_roots()
    state = st.session_state
    found = (
        data_roots.find_dataset_folder(first_card.path, roots)
        if not state.get("dataset-folder")
        else None
    )
    if found is not None:
        return found
    typed = st.text_input(
        "Folder of these slices",
        key="dataset-folder",
        help="The model's card holds no path of the machine that trained it, so the slices have "
        "to be found again. Folders: " + ", ".join(str(root) for root in roots),
    )
    if not typed:
        st.info(
            "The data set is not in the folders that this app may read, so the slices are listed "
            "without their pictures. Type its folder to see them.",
            icon=":material/folder_off:",
        )
        return None
    try:
        return data_roots.resolve_folder(typed, roots)
    except SpinefracError as error:
        st.error(layout.escape_markdown(wording.to_sentence(str(error))), icon=":material/error:")
        return None


@st.cache_data(max_entries=256, show_spinner=False, scope="session")
def _render_slice_data_url(
    folder: Path, path: str, pixel_hash: str, model_id: str, card_hash: str
) -> str:
    """Return a slice under a model's heat map as a ``data:`` address."""
    ct = data_roots.read_slice(folder, path, pixel_hash)
    prediction = predictor.get_predictor(model_id).predict(ct)
    picture = heatmap.render_slice(imaging.to_display(ct), prediction.heatmap)
    return heatmap.encode_data_url(picture, ct.spacing_mm, max_side=288)


def _render_slice_card(entry: SliceCard, models: Sequence[SavedModel], folder: Path | None) -> str:
    """Return one slice as HTML: its pictures where they are, and what is known of it."""
    pictures = ""
    for model in models if folder is not None else ():
        try:
            source = _render_slice_data_url(
                folder, entry.path, entry.pixel_hash, model.id, model.card_hash
            )
            name = f"<figcaption>{escape(model.id)}</figcaption>" if len(models) > 1 else ""
            pictures += (
                f'<figure><img src="{source}" alt="CT slice under its heat map">{name}</figure>'
            )
        except SpinefracError as error:
            pictures += f'<p class="sf-note">{escape(wording.to_sentence(str(error)))}</p>'
    lines = "".join(f"<div>{escape(line)}</div>" for line in entry.lines)
    path = entry.path.encode("utf-8", "replace").decode()
    return (
        f'<div class="sf-slice"><div class="pictures">{pictures}</div>'
        f"<strong>{CLASS_NAMES[entry.label]}</strong> by its label{lines}"
        f'<div class="path" title="{escape(path)}">{escape(path)}</div></div>'
    )
