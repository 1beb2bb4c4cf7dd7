"""Augmentation: what training does to a slice before it learns from it, shown and judged."""

from __future__ import annotations

import streamlit as st

from pages import (
    _augmentation_controls,
    _augmentation_judgement,
    _augmentation_source,
    _augmentation_use,
    _augmentation_views,
    _shared,
)
from pages._augmentation_controls import Chosen
from pages._augmentation_source import Shown
from spinefrac.training.augmentation_preview import SHOWN

VIEWS = ("Grid", "One by one", "Animation", "Histogram", "Judgement", "Use it")


def next_seed() -> None:
    st.session_state["augmentation-seed"] += 1


def choose_seed_and_mode() -> tuple[int, str]:
    """Show the seed, the button that goes to the next one, and how copies are shown."""
    st.session_state.setdefault("augmentation-seed", 0)
    seed_column, next_column, mode_column = st.columns([1, 0.7, 2.4], vertical_alignment="bottom")
    seed = seed_column.number_input(
        "Seed",
        0,
        2**32 - 2,
        key="augmentation-seed",
        help="The same seed gives the same pictures in training: `spinefrac train --seed`.",
    )
    next_column.button("Next", on_click=next_seed, icon=":material/skip_next:", width="stretch")
    mode = mode_column.segmented_control(
        "Show",
        _augmentation_views.MODES,
        default=_augmentation_views.MODES[0],
        required=True,
        key="augmentation-mode",
    )
    return int(seed), mode


def grid(shown: Shown, chosen: Chosen) -> None:
    seed, mode = choose_seed_and_mode()
    if mode == _augmentation_views.MODES[2]:
        _augmentation_views.legend()
    _augmentation_views.grid(shown, chosen.config, seed, mode)
    touch = " Point at a copy, or touch it, to see the original." if mode == "Copies" else ""
    st.caption(
        f"Seed {seed}, slice {shown.index + 1}, epochs 1 to {SHOWN}: made by the very object that "
        f"training calls, so this is what the network gets, to the last bit.{touch}"
    )


@st.fragment
def studio(shown: Shown) -> None:
    """Controls, and one view of what they do. A fragment: a slider redraws this view only."""
    controls, results = st.columns([1, 2.1], gap="large")
    with controls, _shared.errors_shown():
        chosen = _augmentation_controls.choose()
    with results, _shared.errors_shown():
        view = st.segmented_control(
            "View", VIEWS, default=VIEWS[0], required=True, label_visibility="collapsed"
        )
        warned = st.container(key="augmentation-warnings")
        seed = st.session_state.get("augmentation-seed", 0)
        with st.container(key="augmentation-view"):
            if view == "Grid":
                grid(shown, chosen)
            elif view == "One by one":
                _augmentation_views.one_by_one(shown, chosen.config)
            elif view == "Animation":
                _augmentation_views.movement(shown, chosen.config)
            elif view == "Histogram":
                _augmentation_views.histogram(shown, chosen.config, seed)
            elif view == "Use it":
                _augmentation_use.show(shown, chosen, seed)
        # The pictures first: what follows takes longer.
        found = _augmentation_judgement.effects(shown, chosen.config)
        with warned:
            _augmentation_judgement.warnings(found)
        if view == "Judgement":
            _augmentation_judgement.show(shown, chosen.config, seed, found)


_shared.heading(
    "Augmentation",
    "In every epoch each training slice is changed a little, at random, so that the network "
    "learns the fracture and not the picture. Slices that are scored are never changed.",
)
with _shared.errors_shown():
    slice_shown = _augmentation_source.choose()
    if slice_shown is not None:
        if slice_shown.note:
            st.caption(_shared.plain(slice_shown.note))
        studio(slice_shown)
