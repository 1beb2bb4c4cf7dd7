"""Recalibrate a model for another site: a form, and what came of it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from spinefrac.access.policy import Action
from spinefrac.data.scan import scan
from spinefrac.inference import recalibration
from spinefrac.inference.predictor import get_predictor
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import folders, layout, visitor
from spinefrac.ui.models import dialogs

_EXPLANATION = (
    "Another scanner or hospital often needs another temperature and threshold. They are fitted to "
    "labelled slices of that site: about 30 slices of ten patients or more, at least four patients "
    "with and four without a fracture. The result is a model of its own with its own card; this "
    "one stays as it is."
)


def show_form(model: SavedModel) -> None:
    """Ask for the labelled slices and a name, and recalibrate."""
    st.markdown(_EXPLANATION)
    with st.form("recalibrate", enter_to_submit=False):
        folder = st.selectbox(
            "Labelled slices of the site", folders.list_options(), index=None, key="site-folder"
        )
        name = st.text_input("Name of the new model", f"{model.id}-site", help=dialogs.NAME_RULE)
        submitted = visitor.button(
            Action.DUPLICATE_MODEL, "Recalibrate", widget=st.form_submit_button, type="primary"
        )
    if submitted:
        with layout.show_errors():
            made = _recalibrate(model, folder or "", name.strip())
            st.session_state["recalibrated"] = made.id
    if st.session_state.get("recalibrated"):
        layout.show_note(f"Saved as {st.session_state['recalibrated']}.")
        if st.button("Open the new model", key="open-recalibrated"):
            dialogs.open_model_page(st.session_state.pop("recalibrated"))
    layout.show_commands(f"spinefrac recalibrate {model.id} FOLDER")


def _recalibrate(model: SavedModel, folder: str, name: str) -> SavedModel:
    bar = st.progress(0.0, "Reading the slices")

    def report(text: str) -> Callable[[int, int], None]:
        def show(done: int, total: int) -> None:
            bar.progress(done / max(total, 1), text)

        return show

    dataset = scan(folders.resolve(folder), progress=report("Reading the slices"))
    with visitor.act(Action.DUPLICATE_MODEL, model.id) as identity:
        made = recalibration.recalibrate(
            get_predictor(model.id),
            dataset,
            name,
            created_by=identity.owner,
            progress_callback=report("Predicting"),
        )
    bar.empty()
    return made
