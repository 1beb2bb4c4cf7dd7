"""Models that this session deleted: restored with a click, purged when the session has ended."""

from __future__ import annotations

import logging
import threading

import streamlit as st

from spinefrac import wording
from spinefrac.access.policy import Action
from spinefrac.errors import SpinefracError
from spinefrac.store import manage, trash
from spinefrac.store.repository import DamagedModel, SavedModel
from spinefrac.store.trash import DeletedModel
from spinefrac.ui.common import layout, visitor

log = logging.getLogger("spinefrac.pages")

#: A browser that lost its connection returns to its session within this time.
RECONNECT_GRACE_S = 120.0

_purge_timers: dict[str, threading.Timer] = {}


def get_session_name() -> str:
    """Return the name under which this session deletes."""
    return _keep_alive(
        st.session_state.setdefault("trash-session", trash.new_session_id(visitor.get_owner()))
    )


def get_model_owner(model: SavedModel | DamagedModel) -> str:
    """Return whose a model is; a damaged one is nobody's."""
    return model.owner if isinstance(model, SavedModel) else ""


def _schedule_purge(name: str) -> None:
    """Purge what a session deleted, unless it returns; called when its connection ends."""
    timer = threading.Timer(RECONNECT_GRACE_S, _purge_session, (name,))
    timer.daemon = True  # a server that stops first leaves it to `manage.purge_expired`
    _purge_timers[name] = timer
    timer.start()


def _purge_session(name: str) -> None:
    _purge_timers.pop(name, None)
    try:
        manage.purge_session(name)
    except SpinefracError as error:
        log.warning("models that a session deleted are not purged: %s", error)


@st.cache_resource(scope="session", on_release=_schedule_purge, show_spinner=False)
def _keep_alive(name: str) -> str:
    """Stand for the open connection: Streamlit releases this when the connection ends."""
    if timer := _purge_timers.pop(name, None):
        timer.cancel()
    return name


def show_deleted_models() -> None:
    """Show the deleted models that the person may restore: own ones, to an admin all."""
    session = get_session_name()
    own: list[DeletedModel] = []
    others: list[DeletedModel] = []
    for entry in trash.list_restorable():
        if visitor.permits(Action.DELETE_MODEL, owner=_get_deleter(entry)):
            (own if entry.session == session else others).append(entry)
    layout.show_rows(own, lambda entry: _show_deleted_model(entry, "until you close the app"))
    if others:
        with st.expander(f"Deleted in other sessions ({len(others)})"):
            layout.show_rows(others, _show_deleted_by_others)


def _get_deleter(entry: DeletedModel) -> str:
    """Return the person's name where the person deleted the model; empty for all others."""
    owner = visitor.get_owner()
    return owner if trash.is_of(entry, owner) else ""


def _show_deleted_by_others(entry: DeletedModel) -> None:
    when = f"{entry.deleted_at:%Y-%m-%d %H:%M} UTC"
    _show_deleted_model(entry, f"within 24 hours (deleted {when})")


def _show_deleted_model(entry: DeletedModel, availability: str) -> None:
    """Show one deleted model with the buttons that restore or purge it."""
    key = layout.make_key(entry.path)
    with st.container(horizontal=True, vertical_alignment="center", key=f"deleted-{key}"):
        st.markdown(
            f"**{layout.escape_markdown(entry.shown_name)}** was deleted. You can restore it "
            f"{availability}.",
            width="stretch",
        )
        if st.button("Restore", icon=":material/undo:", key=f"restore-{key}"):
            with visitor.act(Action.DELETE_MODEL, entry.shown_name, owner=_get_deleter(entry)):
                manage.restore(entry.id, chosen=entry)
            st.rerun()
        if st.button("Delete permanently", key=f"purge-{key}"):
            with visitor.act(Action.DELETE_MODEL, entry.shown_name, owner=_get_deleter(entry)):
                freed = manage.purge([entry])
            shown = layout.escape_markdown(entry.shown_name)
            st.toast(f"{shown} deleted permanently; {wording.format_megabytes(freed)} freed.")
            st.rerun()
