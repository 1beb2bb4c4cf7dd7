"""What this session deleted: undone with a click, and freed when the session has ended."""

from __future__ import annotations

import logging
import threading

import streamlit as st

from spinefrac.errors import SpinefracError
from spinefrac.store import manage, trash
from spinefrac.store.trash import Deleted
from spinefrac.ui.common import layout

log = logging.getLogger("spinefrac.pages")

#: A browser that lost its connection comes back to its session within this time.
GRACE_S = 120.0

_ending: dict[str, threading.Timer] = {}


def session() -> str:
    """Return the name under which this session deletes."""
    return _alive(st.session_state.setdefault("deleting-session", trash.new_session()))


def _ended(name: str) -> None:
    """Free what a session deleted, unless it comes back; called when its connection ends."""
    timer = threading.Timer(GRACE_S, _free, (name,))
    timer.daemon = True  # a server that stops first leaves it to `shelf.sweep`
    _ending[name] = timer
    timer.start()


def _free(name: str) -> None:
    _ending.pop(name, None)
    try:
        manage.free_session(name)
    except SpinefracError as error:
        log.warning("what a session deleted is not freed: %s", error)


@st.cache_resource(scope="session", on_release=_ended, show_spinner=False)
def _alive(name: str) -> str:
    """Stand for the living connection: Streamlit releases this when the connection ends."""
    if timer := _ending.pop(name, None):
        timer.cancel()
    return name


def offer() -> None:
    """Show what was deleted, each with its way back."""
    mine, own = session(), []
    others: list[Deleted] = []
    for entry in trash.restorable():
        (own if entry.session == mine else others).append(entry)
    for entry in own:
        _line(entry, "until you close the app")
    if others:
        with st.expander(f"Deleted elsewhere ({len(others)})"):
            for entry in others:
                _line(entry, f"at {entry.when:%Y-%m-%d %H:%M} UTC, for 24 hours")


def _line(entry: Deleted, how_long: str) -> None:
    """Show one deleted model with the buttons that bring it back or free its space."""
    with st.container(
        horizontal=True, vertical_alignment="center", key=f"deleted-{entry.path.name}"
    ):
        st.markdown(
            f"**{layout.plain(entry.id)}** is deleted; it can be brought back {how_long}.",
            width="stretch",
        )
        if st.button("Undo", icon=":material/undo:", key=f"undo-{entry.path.name}"):
            manage.restore(entry.id)
            st.rerun()
        if st.button("Free the space now", key=f"free-{entry.path.name}"):
            freed = manage.free([entry])
            st.toast(f"{entry.id} is gone; {freed / 1e6:.1f} MB are free again.")
            st.rerun()
