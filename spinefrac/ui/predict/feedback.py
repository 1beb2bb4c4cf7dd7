"""What people say of an answer, and the list of what was answered before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from spinefrac import wording
from spinefrac.errors import HistoryError
from spinefrac.inference import history
from spinefrac.inference.history import HistoryEntry
from spinefrac.records import CtSlice, Prediction
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common.layout import escape_markdown

_VERDICT_LABELS = {
    "agree": ":material/thumb_up: Agree",
    "disagree": ":material/thumb_down: Disagree",
    "unsure": ":material/help: Unsure",
}
#: Answers that the list shows; the export has all.
_MAX_ROWS = 200
#: Kept answers that a session remembers, so that a rerun counts none twice.
_MAX_REMEMBERED = 500


@st.fragment
def show_feedback(model: SavedModel, ct: CtSlice, prediction: Prediction) -> None:
    """Keep the answer, and ask what a person who has looked says of it.

    Shows nothing where the history is off, and one line where it cannot be kept: the answer
    above stands either way.
    """
    if not history.is_enabled():
        return
    try:
        entry = _save_prediction_once(model, ct, prediction)
    except HistoryError as error:
        st.warning(escape_markdown(wording.to_sentence(str(error))), icon=":material/history:")
        return
    with st.container(key="feedback"):
        said = st.segmented_control(
            "You have looked: do you agree with the answer?",
            list(_VERDICT_LABELS),
            format_func=_VERDICT_LABELS.__getitem__,
            key=f"feedback-{entry}",
        )
        if said is None:
            return
        note = st.text_input(
            "Note",
            key=f"feedback-note-{entry}",
            max_chars=history.MAX_NOTE_LENGTH,
            placeholder="What you saw, and where. No patient's name, please.",
        )
        try:
            if st.session_state.get(f"saved-feedback-{entry}") != (said, note):
                history.save_feedback(entry, said, note)
                st.session_state[f"saved-feedback-{entry}"] = (said, note)
        except HistoryError as error:
            st.warning(escape_markdown(wording.to_sentence(str(error))), icon=":material/history:")
            return
        st.html('<p class="sf-note">Kept on this server, with the picture\'s hash.</p>')


def show_history() -> None:
    """Show what was answered, what people said, and the export."""
    if not history.is_enabled():
        st.html('<p class="sf-note">This server keeps no history: SPINEFRAC_HISTORY is off.</p>')
        return
    try:
        kept = history.list_entries()
    except HistoryError as error:
        st.warning(escape_markdown(wording.to_sentence(str(error))), icon=":material/history:")
        return
    if not kept:
        st.html('<p class="sf-note">Nothing was answered on this server yet.</p>')
        return
    said = [entry for entry in kept if entry.verdict in ("agree", "disagree")]
    agreed = sum(entry.verdict == "agree" for entry in said)
    words = (
        f"{len(kept):,} answer{'s' if len(kept) > 1 else ''}, {len(said):,} judged"
        + (f": {agreed:,} agree, {len(said) - agreed:,} disagree" if said else "")
        + ". People judge what struck them, so this is no measure of the model."
    )
    st.html(f'<p class="sf-note">{words}</p>')
    st.dataframe(
        _build_rows(kept[:_MAX_ROWS]),
        hide_index=True,
        column_config={
            "probability": st.column_config.ProgressColumn(
                "probability", min_value=0.0, max_value=1.0, format="percent"
            ),
        },
    )
    left, right, _ = st.columns([1, 1, 3], gap="small")
    left.download_button(
        "CSV", lambda: history.to_csv(history.list_entries()), "spinefrac-history.csv", "text/csv",
        icon=":material/download:", width="stretch", on_click="ignore",
    )  # fmt: skip
    right.download_button(
        "JSON", lambda: history.to_json(history.list_entries()), "spinefrac-history.json",
        "application/json", icon=":material/download:", width="stretch", on_click="ignore",
    )  # fmt: skip


def _save_prediction_once(model: SavedModel, ct: CtSlice, prediction: Prediction) -> int:
    """Keep an answer once a session, however often the page runs."""
    remembered: dict[Any, int] = st.session_state.setdefault("saved-predictions", {})
    # The answer is told by its picture, which takes a hash only for an answer not seen yet.
    key = (model.id, model.card_hash, prediction.probability, ct.pixels.shape, ct.slice_index)
    if key not in remembered:
        entry = history.save_prediction(ct, prediction, model.card_hash)
        if entry is None:
            raise HistoryError("the history was turned off: start the server again")
        if len(remembered) >= _MAX_REMEMBERED:
            remembered.clear()
        remembered[key] = entry
    return remembered[key]


def _build_rows(entries: Sequence[HistoryEntry]) -> list[dict[str, Any]]:
    return [
        {
            "given": entry.last_at[:16].replace("T", " "),
            "model": entry.model,
            "answer": entry.label,
            "probability": entry.probability,
            "threshold": wording.format_percent(entry.threshold),
            "typical": {True: "yes", False: "no", None: "–"}[entry.typical],
            "said": entry.verdict or "–",
            "note": entry.note,
            "times": entry.times,
            "picture": entry.picture[:12],
        }
        for entry in entries
    ]
