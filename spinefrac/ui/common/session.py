"""A browser's session: its name in accounts, and what is done when it ends."""

from __future__ import annotations

import uuid

import streamlit as st

from spinefrac.imaging import decoder_pool
from spinefrac.system import budgets, memory_release

#: Streamlit forgets a session that does not come back so long after it left, see
#: `disconnectedSessionTTL` in .streamlit/config.toml.
_FORGOTTEN_S = 25.0


def begin() -> None:
    """Prepare the server at its first session, and count what this session holds from here on."""
    _prepare_server()
    get_owner()


def get_owner() -> str:
    """Return the name under which decoders and budgets know this session."""
    return _name_session()


@st.cache_resource(show_spinner=False)
def _prepare_server() -> memory_release.DelayedRelease:
    memory_release.limit_retention()
    decoder_pool.start()
    return memory_release.DelayedRelease(_FORGOTTEN_S)


def _end(owner: str) -> None:
    """Give back what a session held; called when its browser leaves."""
    budgets.release_owner(owner)
    _prepare_server().request()


@st.cache_resource(scope="session", show_spinner=False, on_release=_end)
def _name_session() -> str:
    return uuid.uuid4().hex
