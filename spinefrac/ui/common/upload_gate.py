"""Uploads only of who is signed in: Streamlit itself takes files of any browser that is connected.

A browser that sees the sign-in page is connected too, so what it sends would fill the memory.
"""

from __future__ import annotations

import threading
from typing import Any

from starlette.exceptions import HTTPException
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFileManager

#: Streamlit's id of each session that may upload, by the session's name in accounts.
_admitted: dict[str, str] = {}
_lock = threading.Lock()


def close(manager: UploadedFileManager) -> None:
    """Have the store of uploads refuse files of sessions that `admit` has not let in."""
    add_file = manager.add_file  # type: ignore[attr-defined]

    def add_file_of_admitted(session_id: str, file: Any) -> None:
        with _lock:
            is_admitted = session_id in _admitted.values()
        if not is_admitted:
            raise HTTPException(403, "Expected an upload after a sign-in, got one before: sign in")
        add_file(session_id=session_id, file=file)

    manager.add_file = add_file_of_admitted  # type: ignore[attr-defined]


def admit(owner: str, is_signed_in: bool) -> None:
    """Let the session of this script, called `owner` in accounts, upload, or not any more."""
    context = get_script_run_ctx()
    with _lock:
        if is_signed_in and context is not None:
            _admitted[owner] = context.session_id
        else:
            _admitted.pop(owner, None)


def forget(owner: str) -> None:
    """Drop a session that has ended."""
    with _lock:
        _admitted.pop(owner, None)
