"""The cookie by which a browser is known again: set and removed by the pages, unread by scripts.

The pages sign in; this only keeps what they already hold. The cookie has the token of a session or
of a guest, never one for REST, and REST does not read it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spinefrac.access import users
from spinefrac.access.users import COOKIE, LIFETIMES, Kind

PATH = "/session"
#: Bytes of a request; a token has 43.
_MAX_BYTES = 1000


async def keep(request: Request) -> Response:
    """Set the cookie for a token that holds; remove it for one that does not."""
    token = await _read_token(request)
    identity = await run_in_threadpool(users.check_token, token, Kind.SESSION, Kind.GUEST)
    response = Response(status_code=204, headers={"Cache-Control": "no-store"})
    if identity is None:
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return response
    seconds = int(LIFETIMES[Kind.SESSION].total_seconds())
    if identity.expires_at is not None:
        left = identity.expires_at - datetime.now(UTC)
        seconds = max(0, min(seconds, int(left.total_seconds())))
    response.set_cookie(
        COOKIE,
        token,
        max_age=seconds,
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


async def _read_token(request: Request) -> str:
    """Return the token of a request; empty where it has none.

    Only JSON is read: a form of another site cannot send it.
    """
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        return ""
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > _MAX_BYTES:
            return ""
    try:
        token = json.loads(content)["token"]
    except (ValueError, KeyError, TypeError):
        return ""
    return token if isinstance(token, str) else ""


routes = [Route(PATH, keep, methods=["POST"])]
