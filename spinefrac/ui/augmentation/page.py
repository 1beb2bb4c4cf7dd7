"""Augmentation: what training does to a slice before it learns from it, shown and judged."""

from __future__ import annotations

import streamlit as st

from spinefrac.training.augmentation.preview import SHOWN
from spinefrac.ui.augmentation import apply, diagnostics, source, views
from spinefrac.ui.augmentation import controls as control_panel
from spinefrac.ui.augmentation.controls import Chosen
from spinefrac.ui.augmentation.source import Shown
from spinefrac.ui.common import layout

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
        views.MODES,
        default=views.MODES[0],
        required=True,
        key="augmentation-mode",
    )
    return int(seed), mode


def grid(shown: Shown, chosen: Chosen) -> None:
    seed, mode = choose_seed_and_mode()
    if mode == views.MODES[2]:
        views.legend()
    views.grid(shown, chosen.config, seed, mode)
    touch = " Point at a copy, or touch it, to see the original." if mode == "Copies" else ""
    st.caption(
        f"Seed {seed}, slice {shown.index + 1}, epochs 1 to {SHOWN}: made by the very object that "
        f"training calls, so this is what the network gets, to the last bit.{touch}"
    )


@st.fragment
def studio(shown: Shown) -> None:
    """Controls, and one view of what they do. A fragment: a slider redraws this view only."""
    controls, results = st.columns([1, 2.1], gap="large")
    with controls, layout.errors_shown():
        chosen = control_panel.choose()
    with results, layout.errors_shown():
        view = st.segmented_control(
            "View", VIEWS, default=VIEWS[0], required=True, label_visibility="collapsed"
        )
        warned = st.container(key="augmentation-warnings")
        seed = st.session_state.get("augmentation-seed", 0)
        with st.container(key="augmentation-view"):
            if view == "Grid":
                grid(shown, chosen)
            elif view == "One by one":
                views.one_by_one(shown, chosen.config)
            elif view == "Animation":
                views.movement(shown, chosen.config)
            elif view == "Histogram":
                views.histogram(shown, chosen.config, seed)
            elif view == "Use it":
                apply.show(shown, chosen, seed)
        # The pictures first: what follows takes longer.
        found = diagnostics.effects(shown, chosen.config)
        with warned:
            diagnostics.warnings(found)
        if view == "Judgement":
            diagnostics.show(shown, chosen.config, seed, found)


def render() -> None:
    """Draw the page."""
    layout.heading(
        "Augmentation",
        "In every epoch each training slice is changed a little, at random, so that the network "
        "learns the fracture and not the picture. Slices that are scored are never changed.",
    )
    with layout.errors_shown():
        slice_shown = source.choose()
        if slice_shown is not None:
            if slice_shown.note:
                st.caption(layout.plain(slice_shown.note))
            studio(slice_shown)
