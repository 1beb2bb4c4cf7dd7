"""Actions on a saved model, each in a dialog of its own."""

from __future__ import annotations

import streamlit as st

from spinefrac import wording
from spinefrac.access.policy import Action
from spinefrac.store import manage
from spinefrac.store.annotations import MAX_NOTE_LENGTH, MAX_TAGS
from spinefrac.store.repository import DamagedModel, SavedModel
from spinefrac.ui.common import layout, visitor
from spinefrac.ui.models import undo

NAME_RULE = "Lower-case letters, digits and hyphens."


def open_model_page(model_id: str | None) -> None:
    """Open a model, or the list of all models for None."""
    if model_id is None:
        st.query_params.pop("model", None)
    else:
        st.query_params["model"] = model_id
    st.rerun()


@st.dialog("Rename")
def rename(model: SavedModel) -> None:
    """Ask for the new name."""
    new = st.text_input("New name", model.id, help=NAME_RULE, key="rename-name").strip()
    st.caption("Note, tags, evaluations and lineage are kept. Links to the old name stop working.")
    if st.button("Rename", type="primary", key="confirm-rename"):
        with layout.show_errors():
            with visitor.act(Action.CHANGE_MODEL, model.id, owner=model.owner):
                renamed = manage.rename(model.id, new)
            open_model_page(renamed.id)


@st.dialog("Edit note and tags")
def annotate(model: SavedModel) -> None:
    """Ask for note and tags."""
    note = st.text_area("Note", model.note, max_chars=MAX_NOTE_LENGTH, height=140)
    tags = st.multiselect(
        "Tags",
        list(model.tags),
        default=list(model.tags),
        accept_new_options=True,
        max_selections=MAX_TAGS,
        placeholder="Type a word and press Enter",
    )
    if st.button("Save", type="primary", key="confirm-note"):
        with layout.show_errors():
            with visitor.act(Action.CHANGE_MODEL, model.id, owner=model.owner):
                manage.annotate(model.id, note=note, tags=tags)
            st.rerun()


@st.dialog("Duplicate")
def duplicate(model: SavedModel) -> None:
    """Ask for the copy's name."""
    new = st.text_input(
        "Name of the copy", f"{model.id}-copy", help=NAME_RULE, key="duplicate-name"
    ).strip()
    st.caption(f"The copy needs {wording.format_megabytes(model.size)}.")
    if st.button("Duplicate", type="primary", key="confirm-duplicate"):
        with layout.show_errors():
            with visitor.act(Action.DUPLICATE_MODEL, model.id) as identity:
                copy = manage.duplicate(model.id, new, identity.owner or None)
            open_model_page(copy.id)


@st.dialog("Delete")
def delete(model: SavedModel | DamagedModel, is_default: bool = False) -> None:
    """Ask for confirmation."""
    st.markdown(
        f"Delete **{layout.escape_markdown(model.id)}**? You can restore it until you close the "
        "app. After that, its files and evaluations are removed permanently."
    )
    if is_default:
        st.markdown("It is the default model. Another model becomes the default.")
    if st.button("Delete", type="primary", icon=":material/delete:", key="confirm-delete"):
        with layout.show_errors():
            with visitor.act(Action.DELETE_MODEL, model.id, owner=undo.get_model_owner(model)):
                manage.delete(model.path.name, undo.get_session_name())
            open_model_page(None)
