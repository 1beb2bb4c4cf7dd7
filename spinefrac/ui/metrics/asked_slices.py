"""What a model was asked about, over time: its input check against the training slices."""

from __future__ import annotations

from datetime import date

import streamlit as st

from spinefrac import wording
from spinefrac.inference import history
from spinefrac.inference.drift import LEAST, AskedSlice, Drift, Period, summarize_drift
from spinefrac.inference.history import HistoryEntry
from spinefrac.records import CLASS_NAMES, LIKE, UNLIKE
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout

#: Periods that are shown, the latest ones.
_MAX_PERIODS = 26
_COLUMNS = ("From", "Slices", "Unusual", "Unlike", "Median percentile", "Predicted fracture")
_NOTE = (
    "Counts and scores of all predictions of this model that this server keeps; the same slice "
    "counts once, and no picture is used. The percentile is that of the distance to the training "
    "slices: about 50 for slices like them."
)


def show_asked_slices(model: SavedModel) -> None:
    """Show the slices that the model was asked about, and warn where they are of another kind."""
    if not history.is_enabled():
        st.info("This server keeps no history of predictions.", icon=":material/info:")
        return
    reference = model.card.input_reference
    drift = summarize_drift(
        [
            _to_asked(entry)
            for entry in history.list_entries()
            if entry.card in model.card_hashes and entry.typical is not None
        ],
        reference.false_alarm_rate if reference else None,
    )
    if drift is None:
        st.info(
            "No prediction of this model with an input check is in the history yet.",
            icon=":material/info:",
        )
        return
    _show_verdict(model, drift)
    layout.show_table(_COLUMNS, [_build_row(one) for one in drift.periods[-_MAX_PERIODS:][::-1]])
    st.caption(_NOTE)


def _to_asked(entry: HistoryEntry) -> AskedSlice:
    grade = entry.grade or (LIKE if entry.typical else UNLIKE)
    day = date.fromisoformat(entry.first_at[:10])
    return AskedSlice(day, grade, entry.percentile, entry.label == CLASS_NAMES[1])


def _show_verdict(model: SavedModel, drift: Drift) -> None:
    recent = drift.recent
    share = wording.format_percent(recent.deviating_share)
    expected = wording.format_percent(drift.expected_rate)
    found = f"{share} of the latest {recent.slices:,} slices are unusual or unlike"
    if not drift.is_known:
        layout.show_note(f"{found}. From {LEAST} slices on, they are compared with the training.")
    elif drift.has_moved:
        st.warning(
            f"{found} the training slices; {expected} were expected. The model is asked about "
            "another population, such as a new scanner or protocol: its metrics do not hold "
            "there. Label about 30 slices of it, of as many patients as possible, and measure.",
            icon=":material/warning:",
        )
        layout.show_commands(f"spinefrac evaluate {model.id} FOLDER")
    else:
        layout.show_note(f"{found} the training slices; {expected} were expected.")


def _build_row(period: Period) -> tuple[str, ...]:
    return (
        period.start.isoformat(),
        f"{period.slices:,}",
        f"{period.unusual:,}",
        f"{period.unlike:,}",
        "–" if period.percentile is None else f"{period.percentile:.0f}",
        wording.format_percent(period.fracture / period.slices),
    )
