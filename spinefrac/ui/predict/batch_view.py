"""Many files in a table: answered beside, sorted, filtered, opened one by one, and taken home."""

from __future__ import annotations

import base64
from typing import Any

import streamlit as st

from spinefrac.inference import batch
from spinefrac.inference.batch import SlicePrediction
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout
from spinefrac.ui.predict import inference_job, slice_view
from spinefrac.ui.predict.upload import SliceSet

_ROW_HEIGHT = 56


def show_batch(model: SavedModel, slice_set: SliceSet) -> None:
    """Answer on every file beside; show how far that is, and then the table."""
    work = inference_job.get_or_start_job(model, slice_set, thumbnails=True)
    if work.poll().running:
        _show_progress(model, slice_set)
        return
    inference_job.show_progress(work, "Answering")
    _show_table(model, slice_set)


@st.fragment(run_every=0.25)
def _show_progress(model: SavedModel, slice_set: SliceSet) -> None:
    with layout.show_errors():
        work = inference_job.get_or_start_job(model, slice_set, thumbnails=True)
        if not inference_job.show_progress(work, "Answering"):
            st.rerun()
        counts = batch.count_by_filter(work.results())
        st.caption(" · ".join(f"{name}: {count:,}" for name, count in counts.items()))


@st.fragment
def _show_table(model: SavedModel, slice_set: SliceSet) -> None:
    """Show the answers; only this runs when the user filters or opens one."""
    with layout.show_errors():
        found = inference_job.get_or_start_job(model, slice_set, thumbnails=True).results()
        refused = [
            SlicePrediction(entry.path, error=entry.reason) for entry in slice_set.unreadable
        ]
        everything = [*found, *refused]
        counts = batch.count_by_filter(everything)
        wanted = st.segmented_control(
            "Show",
            list(counts),
            default=next(iter(counts)),
            format_func=lambda name: f"{name} · {counts[name]:,}",
            key="batch-filter",
            label_visibility="collapsed",
        )
        rows = batch.filter_indices(everything, wanted or next(iter(counts)))
        event = st.dataframe(
            [_build_row(everything[row]) for row in rows],
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
            stem = f"spinefrac-{model.id}"
            st.download_button(
                "CSV", lambda: batch.to_csv(model.id, everything), f"{stem}.csv", "text/csv"
            )
            st.download_button(
                "JSON", lambda: batch.to_json(model.id, everything), f"{stem}.json",
                "application/json",
            )  # fmt: skip
            st.caption("Click a row to open its slice.")
        picked = event["selection"]["rows"]
        if picked and rows[picked[0]] < len(found) and not found[rows[picked[0]]].error:
            slice_view.show_slice(model, slice_set, rows[picked[0]])


def _build_row(prediction: SlicePrediction) -> dict[str, Any]:
    check = prediction.input_check
    return {
        "Slice": _to_data_url(prediction.thumbnail),
        "File": prediction.name,
        "Answer": prediction.label.capitalize() or "Unreadable",
        "Probability": None if prediction.error else 100 * prediction.probability,
        "Percentile": None if check is None else check.score,
        "Note": prediction.error or (check.reason if check else ""),
    }


def _to_data_url(webp: bytes) -> str | None:
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}" if webp else None
