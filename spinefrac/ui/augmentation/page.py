"""Augmentation: a preview of the random changes that training makes, and their effects."""

from __future__ import annotations

import streamlit as st

from spinefrac.training.augmentation.preview import GRID_SIZE
from spinefrac.ui.augmentation import apply, diagnostics, source, views
from spinefrac.ui.augmentation import controls as control_panel
from spinefrac.ui.augmentation.controls import AugmentationSelection
from spinefrac.ui.augmentation.source import PreviewSlice
from spinefrac.ui.common import layout, visitor

VIEWS = ("Grid", "Transforms", "Animation", "Histogram", "Diagnostics", "Apply and export")
_SEED_KEY = "augmentation-seed"


def render() -> None:
    """Draw the page."""
    layout.show_heading(
        "Augmentation",
        "In every epoch, training slices are changed at random to reduce overfitting. Test slices "
        "are never changed.",
    )
    with layout.show_errors():
        preview_slice = source.choose_slice()
        if preview_slice is not None:
            if preview_slice.note:
                st.caption(layout.escape_markdown(preview_slice.note))
            show_editor(preview_slice)


@visitor.fragment
def show_editor(preview_slice: PreviewSlice) -> None:
    """Show the controls and one view of their effect. A fragment: a slider redraws only this."""
    controls, results = st.columns([1, 2.1], gap="large")
    with controls, layout.show_errors():
        selection = control_panel.choose_augmentation()
    with results, layout.show_errors():
        view = st.segmented_control(
            "View", VIEWS, default=VIEWS[0], required=True, label_visibility="collapsed"
        )
        warnings = st.container(key="augmentation-warnings")
        seed = st.session_state.get(_SEED_KEY, 0)
        view_place = st.container(key="augmentation-view")
        with view_place:
            _show_view(view, preview_slice, selection, seed)
        # After the images, because it takes longer.
        effects = diagnostics.measure_effects(preview_slice, selection.config)
        with warnings:
            diagnostics.show_warnings(effects)
        if view == "Diagnostics":
            with view_place:
                diagnostics.show_diagnostics(preview_slice, selection.config, seed, effects)


def _show_view(
    view: str, preview_slice: PreviewSlice, selection: AugmentationSelection, seed: int
) -> None:
    if view == "Grid":
        _show_grid(preview_slice, selection)
    elif view == "Transforms":
        views.show_transforms(preview_slice, selection.config)
    elif view == "Animation":
        views.show_animation(preview_slice, selection.config)
    elif view == "Histogram":
        views.show_histogram(preview_slice, selection.config, seed)
    elif view == "Apply and export":
        apply.show_apply_and_export(preview_slice, selection, seed)


def _show_grid(preview_slice: PreviewSlice, selection: AugmentationSelection) -> None:
    seed, mode = _choose_seed_and_mode()
    if mode == views.DIFFERENCE:
        views.show_difference_legend()
    views.show_grid(preview_slice, selection.config, seed, mode)
    hint = " Hover over or tap a copy to see the original." if mode == views.COPIES else ""
    st.caption(
        f"Seed {seed}, slice {preview_slice.index + 1}, epochs 1 to {GRID_SIZE}. These are exactly "
        f"the images that training uses.{hint}"
    )


def _choose_seed_and_mode() -> tuple[int, str]:
    """Show the seed, the button for the next one, and how copies are shown."""
    st.session_state.setdefault(_SEED_KEY, 0)
    seed_column, next_column, mode_column = st.columns([1, 0.8, 2.3], vertical_alignment="bottom")
    seed = seed_column.number_input(
        "Seed",
        0,
        2**32 - 2,
        key=_SEED_KEY,
        help="The same seed gives the same augmented slices in training "
        "(`spinefrac train --seed`).",
    )
    next_column.button(
        "Next seed", on_click=_increment_seed, icon=":material/skip_next:", width="stretch"
    )
    mode = mode_column.segmented_control(
        "Show",
        views.DISPLAY_MODES,
        default=views.DISPLAY_MODES[0],
        required=True,
        key="augmentation-mode",
    )
    return int(seed), mode


def _increment_seed() -> None:
    st.session_state[_SEED_KEY] += 1
