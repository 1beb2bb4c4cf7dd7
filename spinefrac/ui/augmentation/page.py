"""Augmentation: what training does to a slice before it learns from it, shown and judged."""

from __future__ import annotations

import streamlit as st

from spinefrac.training.augmentation.preview import GRID_SIZE
from spinefrac.ui.augmentation import apply, diagnostics, source, views
from spinefrac.ui.augmentation import controls as control_panel
from spinefrac.ui.augmentation.controls import AugmentationSelection
from spinefrac.ui.augmentation.source import PreviewSlice
from spinefrac.ui.common import layout

VIEWS = ("Grid", "One by one", "Animation", "Histogram", "Judgement", "Use it")


def increment_seed() -> None:
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
    next_column.button(
        "Next", on_click=increment_seed, icon=":material/skip_next:", width="stretch"
    )
    mode = mode_column.segmented_control(
        "Show",
        views.DISPLAY_MODES,
        default=views.DISPLAY_MODES[0],
        required=True,
        key="augmentation-mode",
    )
    return int(seed), mode


def show_grid(preview_slice: PreviewSlice, selection: AugmentationSelection) -> None:
    seed, mode = choose_seed_and_mode()
    if mode == views.DISPLAY_MODES[2]:
        views.show_difference_legend()
    views.show_grid(preview_slice, selection.config, seed, mode)
    touch = " Point at a copy, or touch it, to see the original." if mode == "Copies" else ""
    st.caption(
        f"Seed {seed}, slice {preview_slice.index + 1}, epochs 1 to {GRID_SIZE}: made by the very object that "
        f"training calls, so this is what the network gets, to the last bit.{touch}"
    )


@st.fragment
def show_editor(preview_slice: PreviewSlice) -> None:
    """Controls, and one view of what they do. A fragment: a slider redraws this view only."""
    controls, results = st.columns([1, 2.1], gap="large")
    with controls, layout.show_errors():
        chosen = control_panel.choose_augmentation()
    with results, layout.show_errors():
        view = st.segmented_control(
            "View", VIEWS, default=VIEWS[0], required=True, label_visibility="collapsed"
        )
        warned = st.container(key="augmentation-warnings")
        seed = st.session_state.get("augmentation-seed", 0)
        with st.container(key="augmentation-view"):
            if view == "Grid":
                show_grid(preview_slice, chosen)
            elif view == "One by one":
                views.show_transforms(preview_slice, chosen.config)
            elif view == "Animation":
                views.show_animation(preview_slice, chosen.config)
            elif view == "Histogram":
                views.show_histogram(preview_slice, chosen.config, seed)
            elif view == "Use it":
                apply.show_apply_and_export(preview_slice, chosen, seed)
        # The pictures first: what follows takes longer.
        found = diagnostics.measure_effects(preview_slice, chosen.config)
        with warned:
            diagnostics.show_warnings(found)
        if view == "Judgement":
            diagnostics.show_diagnostics(preview_slice, chosen.config, seed, found)


def render() -> None:
    """Draw the page."""
    layout.show_heading(
        "Augmentation",
        "In every epoch each training slice is changed a little, at random, so that the network "
        "learns the fracture and not the picture. Slices that are scored are never changed.",
    )
    with layout.show_errors():
        slice_shown = source.choose_slice()
        if slice_shown is not None:
            if slice_shown.note:
                st.caption(layout.escape_markdown(slice_shown.note))
            show_editor(slice_shown)
