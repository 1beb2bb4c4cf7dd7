"""The first estimate of a folder on the page: started here, computed by a background process."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from spinefrac.access.policy import Action
from spinefrac.data.folder_layouts import FolderListing
from spinefrac.training.estimate import background
from spinefrac.training.estimate.compute import Estimate
from spinefrac.ui.common import background_work, layout, visitor
from spinefrac.ui.train import form


def show_estimate(folder: Path, listing: FolderListing) -> None:
    """Show the saved estimate of a folder, how far it is, or the button that starts it.

    It takes labels of slices: for scans there is none.
    """
    if listing.is_of_scans:
        return
    progress = background.read_progress(folder)
    if progress is not None and progress.running:
        background_work.show_until_done(
            partial(background.read_progress, folder),
            lambda _: "First estimate. You can leave this page; the estimate continues.",
            partial(_show_cancel, folder),
        )
        return
    if (found := background.find(listing)) is not None:
        _show_result(found)
        return
    if progress is not None and progress.error:
        layout.show_error(progress.error)
    button, text = st.columns([1, 4], gap="medium", vertical_alignment="center")
    clicked = visitor.button(
        Action.START_RUN,
        "First estimate",
        widget=button.button,
        key="estimate-start",
        icon=":material/speed:",
        width="stretch",
    )
    text.caption(
        "Estimates the out-of-fold AUC of this folder in about two minutes, from networks that are "
        "not trained on it but for their last layer. No model is saved."
    )
    if clicked:
        visitor.require(Action.START_RUN)
        background.stop(folder)  # forget how the last one ended
        background.start(folder)
        st.rerun()


def _show_cancel(folder: Path, column: Any) -> None:
    if visitor.button(
        Action.START_RUN, "Cancel", widget=column.button, key="estimate-cancel", width="stretch"
    ):
        visitor.require(Action.START_RUN)
        background.stop(folder)
        st.rerun()


def _show_result(found: Estimate) -> None:
    """Show the estimate; offer its network where another one is chosen in the form."""
    layout.show_note(" ".join(found.describe()))
    chosen = form.get_chosen_network()
    if found.proposed != chosen:
        st.button(
            f"Choose {form.NETWORK_TITLES[found.proposed]}",
            key="estimate-choose",
            on_click=form.choose_network,
            args=(found.proposed,),
            help="The network with the highest AUC of this estimate.",
        )
