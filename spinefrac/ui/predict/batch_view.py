"""Several files in a table: predicted in the background, filtered, opened one by one, exported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from spinefrac.inference import batch
from spinefrac.inference.batch import SlicePrediction
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout, visitor
from spinefrac.ui.predict import inference_job, slice_view
from spinefrac.ui.predict.upload import SliceSet
from spinefrac.viz import heatmap

_ROW_HEIGHT = 56
_PROGRESS_TEXT = "Predicting"


def show_batch(model: SavedModel, slice_set: SliceSet) -> None:
    """Predict every file in the background; show the progress, and then the table."""
    job = inference_job.get_or_start_job(model, slice_set, thumbnails=True)
    if job.poll().running:
        _show_progress(model, slice_set)
        return
    inference_job.show_progress(job, _PROGRESS_TEXT)
    _show_results(model, slice_set)


@visitor.fragment(run_every=0.25)
def _show_progress(model: SavedModel, slice_set: SliceSet) -> None:
    with layout.show_errors():
        job = inference_job.get_or_start_job(model, slice_set, thumbnails=True)
        if not inference_job.show_progress(job, _PROGRESS_TEXT):
            st.rerun()
        counts = batch.count_by_filter(job.results())
        st.caption(" · ".join(f"{name}: {count:,}" for name, count in counts.items()))


@visitor.fragment
def _show_results(model: SavedModel, slice_set: SliceSet) -> None:
    """Show the predictions; only this runs when the user filters or opens one."""
    with layout.show_errors():
        predicted = inference_job.get_or_start_job(model, slice_set, thumbnails=True).results()
        unreadable = [
            SlicePrediction(entry.path, error=entry.reason) for entry in slice_set.unreadable
        ]
        predictions = [*predicted, *unreadable]
        rows = _search(predictions, _choose_filter(predictions))
        selected = _show_table(predictions, rows)
        _show_downloads(model, predictions)
        if selected is not None and selected < len(predicted) and not predicted[selected].error:
            slice_view.show_slice(model, slice_set, selected, reveal=True)


def _choose_filter(predictions: Sequence[SlicePrediction]) -> Sequence[int]:
    """Show the filters with their counts; return the indices of the predictions that pass."""
    counts = batch.count_by_filter(predictions)
    first = next(iter(counts))
    chosen = st.segmented_control(
        "Show",
        list(counts),
        default=first,
        format_func=lambda name: f"{name} · {counts[name]:,}",
        key="batch-filter",
        label_visibility="collapsed",
    )
    return batch.filter_indices(predictions, chosen or first)


def _search(predictions: Sequence[SlicePrediction], rows: Sequence[int]) -> Sequence[int]:
    """Offer a search where the table is long; return the rows whose file name has the words."""
    if len(predictions) <= layout.SEARCH_FROM:
        return rows
    matches = layout.ask_search("batch-search", "Search file names")
    return [row for row in rows if matches(predictions[row].name)]


def _show_table(predictions: Sequence[SlicePrediction], rows: Sequence[int]) -> int | None:
    """Show some predictions as a table; return the index of the one that is selected."""
    event = st.dataframe(
        layout.build_rows(
            (predictions[row] for row in rows), _build_row, lambda reason: {"Note": reason}
        ),
        width="stretch",
        height=min(560, 42 + _ROW_HEIGHT * max(len(rows), 1)),
        row_height=_ROW_HEIGHT,
        hide_index=True,
        on_select="rerun",
        selection_mode=["single-cell", "single-row"],  # anywhere on a row, and by its checkbox
        key="batch-table",
        column_config={
            "Slice": st.column_config.ImageColumn(width="small"),
            "File": st.column_config.TextColumn(width="medium"),
            "Probability": st.column_config.ProgressColumn(
                format="%.0f %%", min_value=0.0, max_value=100.0
            ),
            "Distance percentile": st.column_config.NumberColumn(
                format="%.1f",
                help="Percentile of the distance to the training slices; high values are out of "
                "distribution",
            ),
            "Note": st.column_config.TextColumn(width="large"),
        },
    )
    chosen = event["selection"]
    selected = [*(row for row, _ in chosen["cells"]), *chosen["rows"]]
    return rows[selected[0]] if selected and selected[0] < len(rows) else None


def _show_downloads(model: SavedModel, predictions: Sequence[SlicePrediction]) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        stem = f"spinefrac-{model.id}"
        st.download_button(
            "CSV", lambda: batch.to_csv(model.id, predictions), f"{stem}.csv", "text/csv",
            icon=":material/download:",
        )  # fmt: skip
        st.download_button(
            "JSON", lambda: batch.to_json(model.id, predictions), f"{stem}.json",
            "application/json", icon=":material/download:",
        )  # fmt: skip
        st.caption("Click a row to open its slice.")


def _build_row(prediction: SlicePrediction) -> dict[str, Any]:
    check = prediction.input_check
    return {
        "Slice": heatmap.thumbnail_url(prediction.thumbnail) if prediction.thumbnail else None,
        "File": prediction.name,
        "Prediction": prediction.label.capitalize() or "Unreadable",
        "Probability": None if prediction.error else 100 * prediction.probability,
        "Distance percentile": None if check is None else check.score,
        "Note": prediction.error or (check.reason if check else ""),
    }
