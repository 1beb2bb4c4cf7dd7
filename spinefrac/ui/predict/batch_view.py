"""Many files in a table: answered beside, sorted, filtered, opened one by one, and taken home."""

from __future__ import annotations

import base64
from typing import Any

import streamlit as st

from spinefrac.inference import batch
from spinefrac.inference.batch import Answered
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout
from spinefrac.ui.predict import inference_job, slice_view
from spinefrac.ui.predict.upload import Subject

_ROW_HEIGHT = 56


def show(saved: SavedModel, subject: Subject) -> None:
    """Answer on every file beside; show how far that is, and then the table."""
    work = inference_job.job(saved, subject, thumbnails=True)
    if work.look().running:
        _running(saved, subject)
        return
    inference_job.bar(work, "Answering")
    _table(saved, subject)


@st.fragment(run_every=0.25)
def _running(saved: SavedModel, subject: Subject) -> None:
    with layout.errors_shown():
        work = inference_job.job(saved, subject, thumbnails=True)
        if not inference_job.bar(work, "Answering"):
            st.rerun()
        counts = batch.counts(work.found())
        st.caption(" · ".join(f"{name}: {count:,}" for name, count in counts.items()))


@st.fragment
def _table(saved: SavedModel, subject: Subject) -> None:
    """Show the answers; only this runs when the user filters or opens one."""
    with layout.errors_shown():
        found = inference_job.job(saved, subject, thumbnails=True).found()
        refused = [Answered(entry.path, error=entry.reason) for entry in subject.unreadable]
        everything = [*found, *refused]
        counts = batch.counts(everything)
        wanted = st.segmented_control(
            "Show",
            list(counts),
            default=next(iter(counts)),
            format_func=lambda name: f"{name} · {counts[name]:,}",
            key="batch-filter",
            label_visibility="collapsed",
        )
        rows = batch.chosen(everything, wanted or next(iter(counts)))
        event = st.dataframe(
            [_row(everything[row]) for row in rows],
            width="stretch",
            height=min(560, 42 + _ROW_HEIGHT * max(len(rows), 1)),
            row_height=_ROW_HEIGHT,
            hide_index=True,
            on_select="rerun",
            selection_mode="single-row",
            key="batch-table",
            column_config={
                "Slice": st.column_config.ImageColumn(width="small"),
                "File": st.column_config.TextColumn(width="medium"),
                "Probability": st.column_config.ProgressColumn(
                    format="%.0f %%", min_value=0.0, max_value=100.0
                ),
                "Percentile": st.column_config.NumberColumn(
                    format="%.1f", help="Of the distance among the training slices"
                ),
                "Note": st.column_config.TextColumn(width="large"),
            },
        )
        with st.container(horizontal=True, gap="small"):
            stem = f"spinefrac-{saved.id}"
            st.download_button(
                "CSV", lambda: batch.to_csv(saved.id, everything), f"{stem}.csv", "text/csv"
            )
            st.download_button(
                "JSON", lambda: batch.to_json(saved.id, everything), f"{stem}.json",
                "application/json",
            )  # fmt: skip
            st.caption("Click a row to open its slice.")
        picked = event["selection"]["rows"]
        if picked and rows[picked[0]] < len(found) and not found[rows[picked[0]]].error:
            slice_view.show(saved, subject, rows[picked[0]])


def _row(answered: Answered) -> dict[str, Any]:
    check = answered.input_check
    return {
        "Slice": _picture(answered.thumbnail),
        "File": answered.name,
        "Answer": answered.label.capitalize() or "Unreadable",
        "Probability": None if answered.error else 100 * answered.probability,
        "Percentile": None if check is None else check.score,
        "Note": answered.error or (check.reason if check else ""),
    }


def _picture(webp: bytes) -> str | None:
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}" if webp else None
