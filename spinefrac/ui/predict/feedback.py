"""Feedback on a prediction, and the history of earlier predictions."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import streamlit as st

from spinefrac import wording
from spinefrac.access.policy import Action
from spinefrac.data.scan import hash_pixels
from spinefrac.errors import HistoryError
from spinefrac.inference import history
from spinefrac.inference.history import HistoryEntry
from spinefrac.records import CtSlice, Prediction
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout, visitor
from spinefrac.ui.predict import shared_prediction
from spinefrac.viz import heatmap

_FEEDBACK_LABELS = {
    "agree": ":material/thumb_up: Agree",
    "disagree": ":material/thumb_down: Disagree",
    "unsure": ":material/help: Unsure",
}
#: Predictions in the table; the export has all.
_MAX_ROWS = 200
#: Saved predictions that a session remembers, so that a rerun saves none twice.
_MAX_REMEMBERED = 500
#: Height of a row with a small picture, in pixels.
_PICTURE_ROW_HEIGHT = 56
_ICON = ":material/history:"
_KEEP = Action.KEEP_PREDICTION


@visitor.fragment
def show_feedback(model: SavedModel, ct: CtSlice, prediction: Prediction) -> None:
    """Save the prediction in the history, and ask whether the reader agrees.

    Shows nothing where the history is off, and a warning where it cannot be written: the
    prediction above stays.
    """
    if not history.is_enabled() or not visitor.permits(Action.KEEP_PREDICTION):
        return
    try:
        entry_id = _save_prediction_once(model, ct, prediction)
        with st.container(key="feedback"):
            _ask_for_feedback(entry_id)
            shared_prediction.show_share_button(entry_id)
    except HistoryError as error:
        layout.show_warning(str(error), icon=_ICON)


def _ask_for_feedback(entry_id: int) -> None:
    """Show the widgets for feedback on one entry of the history, and save what they say."""
    verdict = st.segmented_control(
        "Do you agree with this prediction?",
        list(_FEEDBACK_LABELS),
        format_func=_FEEDBACK_LABELS.__getitem__,
        key=f"feedback-{entry_id}",
    )
    if verdict is None:
        return
    note = st.text_input(
        "Note",
        key=f"feedback-note-{entry_id}",
        max_chars=history.MAX_NOTE_LENGTH,
        placeholder="What you see, and where. Do not enter patient names.",
    )
    if st.session_state.get(f"saved-feedback-{entry_id}") != (verdict, note):
        history.save_feedback(entry_id, verdict, note, visitor.get_owner())
        st.session_state[f"saved-feedback-{entry_id}"] = (verdict, note)
    layout.show_note("Feedback saved on this server, with a hash of the image.")


def show_history() -> None:
    """Show earlier predictions with their feedback, and the export."""
    if not history.is_enabled():
        layout.show_note("History is off on this server (SPINEFRAC_HISTORY).")
        return
    try:
        entries = _list_visible_entries()
    except HistoryError as error:
        layout.show_warning(str(error), icon=_ICON)
        return
    if not entries:
        layout.show_note("No predictions on this server yet.")
        return
    layout.show_note(_summarize_feedback(entries))
    rows = layout.build_rows(entries[:_MAX_ROWS], _build_row, lambda reason: {"note": reason})
    st.dataframe(
        rows,
        hide_index=True,
        row_height=_PICTURE_ROW_HEIGHT if any("slice" in row for row in rows) else None,
        column_config={
            "slice": st.column_config.ImageColumn("slice", width="small"),
            "probability": st.column_config.ProgressColumn(
                "probability", min_value=0.0, max_value=1.0, format="percent"
            ),
        },
    )
    left, right, delete, _ = st.columns([1, 1, 1.4, 2], gap="small")
    left.download_button(
        "CSV", lambda: history.to_csv(_list_visible_entries()), "spinefrac-history.csv", "text/csv",
        icon=":material/download:", width="stretch", on_click="ignore",
    )  # fmt: skip
    right.download_button(
        "JSON", lambda: history.to_json(_list_visible_entries()), "spinefrac-history.json",
        "application/json", icon=":material/download:", width="stretch", on_click="ignore",
    )  # fmt: skip
    if visitor.button(
        Action.DELETE_PREDICTION, "Delete mine", owner=visitor.require(_KEEP).name,
        widget=delete.button, icon=":material/delete:", width="stretch", key="history-delete",
    ):  # fmt: skip
        _delete_own()


@st.dialog("Delete my predictions")
def _delete_own() -> None:
    owner = visitor.get_owner()
    count = wording.format_count(len(history.list_entries(owner=owner)), "prediction")
    st.markdown(f"Delete {count} of yours, with feedback and notes? This cannot be undone.")
    if st.button("Delete", type="primary", icon=":material/delete:", key="confirm-history-delete"):
        with layout.show_errors():
            with visitor.act(Action.DELETE_PREDICTION, owner=visitor.require(_KEEP).name):
                history.clear(owner)
            st.rerun()


def _list_visible_entries() -> tuple[HistoryEntry, ...]:
    """Return the predictions that the person may see: own ones, to an admin everybody's."""
    if visitor.permits(Action.SEE_PREDICTION, owner=""):
        return history.list_entries()
    identity = visitor.require(Action.KEEP_PREDICTION)
    return history.list_entries(owner=identity.name)


def _summarize_feedback(entries: Sequence[HistoryEntry]) -> str:
    decided = [entry for entry in entries if entry.verdict in ("agree", "disagree")]
    agreed = sum(entry.verdict == "agree" for entry in decided)
    counts = (
        f"{wording.format_count(len(entries), 'prediction')}, {len(decided):,} with feedback"
        + (f": {agreed:,} agree, {len(decided) - agreed:,} disagree" if decided else "")
    )
    return f"{counts}. Feedback is not a random sample, so it does not measure accuracy."


def _save_prediction_once(model: SavedModel, ct: CtSlice, prediction: Prediction) -> int:
    """Save a prediction once a session, however often the page runs; return its id.

    Raises
    ------
    HistoryError
        The history cannot be written, or was turned off.
    """
    remembered: dict[Any, int] = st.session_state.setdefault("saved-predictions", {})
    # Two empty slices of a series have one probability: only the pixels tell slices apart.
    key = (model.id, model.card_hash, hash_pixels(ct), ct.calibrated)
    if key not in remembered:
        owner = visitor.require(Action.KEEP_PREDICTION).owner
        entry_id = history.save_prediction(ct, prediction, model.card_hash, owner)
        if entry_id is None:
            raise HistoryError("the history was turned off: start the server again")
        if len(remembered) >= _MAX_REMEMBERED:
            remembered.clear()
        remembered[key] = entry_id
    return remembered[key]


@st.cache_resource(max_entries=_MAX_ROWS, show_spinner=False, scope="session")
def _load_thumbnail(entry_id: int, picture: str) -> str | None:
    """Return the picture of an entry, cached by its hash; None where it was not kept."""
    content = history.read_image(entry_id)
    if content is None:
        return None
    grey = np.asarray(
        cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8
    )
    thumbnail = heatmap.encode_thumbnail(grey, 2 * _PICTURE_ROW_HEIGHT)  # screens have fine pixels
    return f"data:image/webp;base64,{base64.b64encode(thumbnail).decode()}"


def _build_row(entry: HistoryEntry) -> dict[str, Any]:
    thumbnail = _load_thumbnail(entry.id, entry.picture) if entry.has_picture else None
    return (
        ({"slice": thumbnail} if thumbnail else {})
        | {
            "date": entry.last_at[:16].replace("T", " "),
            "model": entry.model,
            "prediction": entry.label,
            "probability": entry.probability,
            "threshold": wording.format_percent(entry.threshold),
            "in distribution": {True: "yes", False: "no", None: "–"}[entry.typical],
            "feedback": entry.verdict or "–",
            "note": entry.note,
            "count": entry.times,
            "image hash": entry.picture[:12],
        }
        | ({"owner": entry.owner} if entry.owner else {})
    )
