"""Files of sessions that are not signed in are refused; `tests/browser` sends one to a server."""

from types import SimpleNamespace

import pytest
from starlette.exceptions import HTTPException
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from spinefrac.ui.common import upload_gate

FILE = UploadedFileRec("one", "x.png", "image/png", b"x")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryUploadedFileManager:
    """A store behind the gate; this thread is that of the session ``s``."""
    session = SimpleNamespace(session_id="s")
    monkeypatch.setattr(upload_gate, "get_script_run_ctx", lambda: session)
    manager = MemoryUploadedFileManager("/upload")
    upload_gate.close(manager)
    return manager


def is_refused(store: MemoryUploadedFileManager, session: str = "s") -> bool:
    try:
        store.add_file(session_id=session, file=FILE)
    except HTTPException as error:
        assert error.status_code == 403
        return True
    return not store.get_files(session, ["one"])


def test_a_session_uploads_while_it_is_signed_in(store: MemoryUploadedFileManager) -> None:
    assert is_refused(store)
    upload_gate.admit("owner", True)
    assert not is_refused(store) and is_refused(store, "another")
    upload_gate.admit("owner", False)
    assert is_refused(store)


def test_an_ended_session_uploads_no_more(store: MemoryUploadedFileManager) -> None:
    upload_gate.admit("owner", True)
    upload_gate.forget("owner")
    assert is_refused(store)
