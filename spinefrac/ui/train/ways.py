"""The beginning of the page Train: three ways to a data set, and what each of them needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from spinefrac import settings
from spinefrac.access.policy import Action
from spinefrac.ui.common import layout, visitor
from spinefrac.ui.train import datasets, folder_browser, synthetic_set

#: Which way is open: a key of `_WAYS`.
WAY_KEY = "train-way"
EXAMPLE_LAYOUT = (
    "my-slices/\n  fracture/   P012_03.dcm  P012_04.dcm  …\n  normal/     P001_11.dcm  …"
)


class Way(NamedTuple):
    """A way to a data set: its button, what may be done on it, and for whom it is."""

    label: str
    icon: str
    action: Action
    purpose: str


_WAYS = {
    "folder": Way(
        "Use my folder",
        ":material/folder_open:",
        Action.READ_FOLDER,
        "Slices that are on this computer or server already.",
    ),
    "upload": Way(
        "Upload slices",
        ":material/upload:",
        Action.ADD_DATASET,
        "A ZIP or a folder from your own computer.",
    ),
    "synthetic": Way(
        "Make a synthetic set",
        ":material/auto_awesome:",
        Action.ADD_DATASET,
        "No data? Drawn slices with known labels, made in a minute.",
    ),
}


def show_ways() -> Path | None:
    """Show the three ways, and the one that is open; return the folder it has led to."""
    if synthetic_set.is_in_progress():
        st.session_state[WAY_KEY] = "synthetic"
    st.header("Choose slices", anchor=False)
    for column, (key, way) in zip(st.columns(3, gap="medium"), _WAYS.items(), strict=True):
        with column:
            _show_way(key, way)
    show: Callable[[], Path | None] = {
        "folder": _show_folder,
        "upload": _show_upload,
        "synthetic": _show_synthetic,
    }.get(str(st.session_state.get(WAY_KEY)), _show_steps)
    return show()


def _show_way(key: str, way: Way) -> None:
    visitor.button(
        way.action,
        way.label,
        key=f"way-{key}",
        icon=way.icon,
        type="primary" if st.session_state.get(WAY_KEY) == key else "secondary",
        width="stretch",
        on_click=_open,
        args=(key,),
    )
    st.caption(way.purpose)


def _open(key: str) -> None:
    st.session_state[WAY_KEY] = key


def _show_steps() -> None:
    st.caption(
        "What follows: the slices are audited, you train on them, look at the metrics, predict "
        "with the new model, and share it."
    )


def _show_folder() -> Path | None:
    if not visitor.may(Action.READ_FOLDER):
        return None
    left, right = st.columns(2, gap="medium")
    with left:
        found = folder_browser.show_browser(settings.data_roots())
    with right:
        _show_expected_layout()
    return found


def _show_expected_layout() -> None:
    st.markdown(
        "One folder per class, with DICOM, PNG, JPEG, TIFF or BMP files. Also supported: a "
        "`labels.csv` with the columns `path`, `label` and `patient`, or the RSNA 2022 layout."
    )
    st.code(EXAMPLE_LAYOUT, language=None)


def _show_upload() -> None:
    left, right = st.columns(2, gap="medium")
    with left, layout.show_errors():
        datasets.show_upload()
    with right:
        _show_expected_layout()


def _show_synthetic() -> Path | None:
    roots = settings.data_roots()
    with layout.show_errors():
        return synthetic_set.show_synthetic_set(
            next((root for root in roots if root.is_dir()), roots[0])
        )
    return None
