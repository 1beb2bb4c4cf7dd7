"""What may be uploaded."""

import asyncio
import http.client
from urllib.parse import urlsplit

import pytest

from spinefrac.api.guard import uploads
from spinefrac.api.guard.uploads import UploadGuard
from spinefrac.system.budgets import Account


@pytest.fixture
def guard(monkeypatch):
    """A guard with room for 100 bytes a session and 150 in all; sessions a and b are connected."""
    monkeypatch.setattr(
        uploads, "make_account", lambda: Account("bytes", 150, 100, advice="send less")
    )
    active = {"a", "b"}

    async def app(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        status = scope.get("answer", 204)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    found = UploadGuard(app, "/api/v1", lambda session: session in active)
    found.active = active
    return found


def send(guard, path, size, *, method="PUT", declared=True, answer=204):
    """Send a body through the guard; return the status."""
    statuses = []
    chunks = [b"x" * size] if size < 50 else [b"x" * 50, b"x" * (size - 50)]

    async def receive():
        body = chunks.pop(0) if chunks else b""
        return {"type": "http.request", "body": body, "more_body": bool(chunks)}

    async def note(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [(b"content-length", str(size).encode())] if declared else []
    scope = {"type": "http", "method": method, "path": path, "headers": headers, "answer": answer}
    asyncio.run(guard(scope, receive, note))
    return statuses[0]


def upload(guard, session, file, size, **options):
    return send(guard, f"/_stcore/upload_file/{session}/{file}", size, **options)


@pytest.mark.parametrize("declared", [True, False])
def test_a_session_holds_so_much_and_all_together_so_much(guard, declared):
    options = {"declared": declared}
    assert upload(guard, "a", "1", 60, **options) == 204
    assert upload(guard, "a", "2", 60, **options) == 413
    assert upload(guard, "b", "1", 80, **options) == 204
    assert upload(guard, "b", "2", 20, **options) == 429


def test_what_is_deleted_or_whose_session_ended_is_given_back(guard):
    assert upload(guard, "a", "1", 90) == 204
    assert upload(guard, "a", "1", 0, method="DELETE") == 204
    assert upload(guard, "a", "2", 90) == 204
    guard.active.discard("a")
    assert upload(guard, "b", "1", 90) == 204


def test_what_was_refused_is_not_held(guard):
    assert upload(guard, "a", "1", 90, answer=403) == 403
    assert upload(guard, "a", "2", 90) == 204


def test_rest_holds_until_it_has_answered(guard):
    for _ in range(3):
        assert send(guard, "/api/v1/predict", 90, method="POST", answer=200) == 200
    assert send(guard, "/api/v1/predict", 120, method="POST") == 413


def test_a_body_that_is_too_large_is_refused_before_it_is_read(client):
    connection = http.client.HTTPConnection(urlsplit(client.address).netloc, timeout=10)
    connection.putrequest("POST", "/api/v1/predict")
    connection.putheader("Content-Length", str(uploads.MAX_BODY_BYTES + 1))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413 and b"501 MB" in response.read()
    connection.close()
