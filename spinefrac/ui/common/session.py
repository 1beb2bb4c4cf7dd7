"""A browser's session: its name in accounts, and what is done when it ends."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import streamlit as st
from streamlit import net_util, runtime

from spinefrac.imaging import decoder_pool
from spinefrac.records import CtSlice
from spinefrac.system import budgets, memory_release, private_files
from spinefrac.ui.common import upload_gate, visitor

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

#: Streamlit forgets a session that does not come back so long after it left, see
#: `disconnectedSessionTTL` in .streamlit/config.toml.
_FORGOTTEN_S = 25.0


def begin() -> None:
    """Prepare the server at its first session, and count what this session holds from here on."""
    _prepare_server()
    upload_gate.admit(get_owner(), visitor.get() is not None)


def get_owner() -> str:
    """Return the name under which decoders and budgets know this session."""
    return _name_session()


def hold_uploads(key: str, *uploads: UploadedFile) -> None:
    """Count what an uploader of this session holds, in place of what it held before.

    Raises
    ------
    BudgetError
        The session, or all of them, would hold too much.
    """
    budgets.FILES.hold(get_owner(), key, sum(upload.size for upload in uploads))


def hold_slice(ct: CtSlice) -> CtSlice:
    """Count a decoded slice of this session until it is collected, and return it.

    Raises
    ------
    BudgetError
        The session, or all of them, would hold too much.
    """
    budgets.SLICES.hold_for(ct.pixels, get_owner(), ct.pixels.nbytes)
    return ct


@st.cache_resource(show_spinner=False)
def _prepare_server() -> memory_release.DelayedRelease:
    # To judge a foreign Origin, Streamlit would ask other hosts for this machine's addresses.
    net_util.get_internal_ip = net_util.get_external_ip = _know_no_address
    private_files.tighten_home()
    memory_release.limit_retention()
    decoder_pool.start()
    if visitor.is_served():
        upload_gate.close(runtime.get_instance().uploaded_file_mgr)
    return memory_release.DelayedRelease(_FORGOTTEN_S)


def _know_no_address() -> None:
    """Stand for a look-up of an address of this machine: there is none to compare with."""


def _end(owner: str) -> None:
    """Give back what a session held; called when its browser leaves."""
    upload_gate.forget(owner)
    budgets.release_owner(owner)
    _prepare_server().request()


@st.cache_resource(scope="session", show_spinner=False, on_release=_end)
def _name_session() -> str:
    return uuid.uuid4().hex
