"""The viewer of a slice with its heat map, and the strip chart of a series: two components."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
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
    reveal: bool = False,
    go_to_slice: Callable[[int], None] | None = None,
    is_sample: bool = False,
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
    reveal : bool
        Whether the page scrolls to the slice when it appears.
    go_to_slice : callable, optional
        Called with an index when the user asks for another slice by a key or the wheel.
    is_sample : bool
        Whether everybody may see the slice, so that it is encoded once for all sessions.
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
        "reveal": reveal,
    }
    encode = _encode_sample if is_sample else _encode_upload
    with st.container(key="viewer"):
        _viewer_component(
            key="viewer-canvas",
            data=encode(_Shown(ct, heatmap, view), series_slice),
            on_slice_change=handle_slice_change,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """What the viewer shows: a slice, its heat map if any, and the rest of the view."""

    ct: CtSlice
    heatmap: FloatImage | None
    view: dict[str, Any]

    def is_same(self, other: _Shown) -> bool:
        """Whether both are one slice with one heat map, not only equal ones, in one view."""
        same_images = self.ct is other.ct and self.heatmap is other.heatmap
        return same_images and self.view == other.view


#: What was last encoded, with its payload: of samples for all sessions.
_Encoded = deque[tuple[_Shown, bytes]]
_samples: _Encoded = deque(maxlen=6)
_samples_lock = threading.Lock()


def _encode_sample(shown: _Shown, series_slice: SeriesSlice) -> bytes:
    with _samples_lock:
        return _encode_once(_samples, shown, series_slice)


def _encode_upload(shown: _Shown, series_slice: SeriesSlice) -> bytes:
    own: _Encoded = st.session_state.setdefault("viewer-payload", deque(maxlen=1))
    return _encode_once(own, shown, series_slice)


def _encode_once(known: _Encoded, shown: _Shown, series_slice: SeriesSlice) -> bytes:
    """Return what the viewer shows, encoded only where nothing of it is known."""
    for one, payload in known:
        if one.is_same(shown):
            return payload
    payload = viewer_payload.encode_payload(
        shown.ct, shown.heatmap, series_slice.geometry, shown.view
    )
    known.append((shown, payload))
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
