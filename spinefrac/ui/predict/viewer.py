"""The viewer of a slice with its heat map, and the strip chart of a series: two components."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from spinefrac.imaging.series_grouping import SeriesSlice
from spinefrac.records import CtSlice, FloatImage
from spinefrac.viz import viewer_payload

_ASSETS_DIR = Path(__file__).with_name("viewer_component")


def _load_component(name: str) -> Callable[..., Any]:
    html, css, js = (
        (_ASSETS_DIR / f"{name}.{kind}").read_text("utf-8") for kind in ("html", "css", "js")
    )
    return st.components.v2.component(f"spinefrac-{name}", html=html, css=css, js=js)


_viewer_component, _strip_component = _load_component("viewer"), _load_component("strip")


def show_viewer(
    key: str,
    series_slice: SeriesSlice,
    ct: CtSlice,
    heatmap: FloatImage | None,
    *,
    index: int = 0,
    count: int = 1,
    position_text: str = "",
    go_to_slice: Callable[[int], None] | None = None,
) -> None:
    """Show one slice, with its heat map where there is one.

    Parameters
    ----------
    key : str
        Distinguishes one slice set from another: zoom and window are reset for each.
    series_slice : SeriesSlice
        Where the slice lies in its series.
    ct : CtSlice
        Its pixels.
    heatmap : float32 array, shape (H, W), or None
        None shows the slice alone.
    index, count : int
        Which slice of how many.
    position_text : str
        Text in the corner: number, position, spacing.
    go_to_slice : callable, optional
        Called with an index when the user asks for another slice by a key.
    """

    def handle_slice_change() -> None:
        wanted = st.session_state["viewer-canvas"].get("slice")
        if go_to_slice and isinstance(wanted, int) and 0 <= wanted < count:
            go_to_slice(wanted)

    label = "CT slice with heat map" if heatmap is not None else "CT slice without heat map"
    view = {
        "sliceSet": key,
        "index": index,
        "count": count,
        "position": position_text,
        "label": label,
    }
    with st.container(key="viewer"):
        _viewer_component(
            key="viewer-canvas",
            data=_encode_once(ct, heatmap, series_slice, view),
            on_slice_change=handle_slice_change,
        )


def _encode_once(
    ct: CtSlice, heatmap: FloatImage | None, series_slice: SeriesSlice, view: dict[str, Any]
) -> bytes:
    """Return what the viewer shows; that of the last run where nothing has changed since."""
    known = st.session_state.get("viewer-payload")
    if known and known[0] is ct and known[1] is heatmap and known[2] == view:
        return known[3]
    payload = viewer_payload.encode_payload(ct, heatmap, series_slice.geometry, view)
    st.session_state["viewer-payload"] = (ct, heatmap, view, payload)
    return payload


def show_strip(data: dict[str, Any], go_to_slice: Callable[[int], None]) -> None:
    """Show the probability of each slice of a series.

    Parameters
    ----------
    data : dict
        See `series_card.build_strip_data`.
    go_to_slice : callable
        Called with the index of a clicked slice.
    """

    def handle_slice_change() -> None:
        wanted = st.session_state["strip-chart"].get("slice")
        if isinstance(wanted, int) and 0 <= wanted < data["count"]:
            go_to_slice(wanted)

    with st.container(key="strip"):
        _strip_component(key="strip-chart", data=data, on_slice_change=handle_slice_change)
