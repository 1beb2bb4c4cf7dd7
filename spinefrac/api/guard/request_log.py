"""One line in the log and one count a request, without addresses that could name a file."""

from __future__ import annotations

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spinefrac.api import figures

log = logging.getLogger("spinefrac.requests")

#: Beginnings of addresses, and what they are called; everything else is a page.
_AREAS = {
    "/_stcore/stream": "page connection",
    "/_stcore/upload_file": "upload",
    "/_stcore": "streamlit",
    "/media": "media",
    "/component": "component",
    "/static": "static",
}
#: Everything else is one label: whoever asks cannot add labels to the figures.
_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}


def name_area(scope: Scope, rest_prefix: str) -> str:
    """Return what was asked for: the route of REST with its variables' names, or an area."""
    path = scope["path"]
    if path.startswith(rest_prefix):
        route = scope.get("route")
        template = getattr(route, "path", "")
        found = template and template != rest_prefix  # which is the mount, where nothing matched
        return f"{rest_prefix}{template}" if found else f"{rest_prefix}/…"
    return next((area for start, area in _AREAS.items() if path.startswith(start)), "page")


class RequestLog:
    """Logs and counts every request once it is answered.

    Parameters
    ----------
    app : ASGI application
    rest_prefix : str
    """

    def __init__(self, app: ASGIApp, rest_prefix: str) -> None:
        self._app, self._rest_prefix = app, rest_prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        started, status = time.perf_counter(), 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        is_connection = scope["type"] == "websocket"
        if is_connection:
            figures.SESSIONS.inc()
        try:
            await self._app(scope, receive, send_and_note)
        finally:
            if is_connection:
                figures.SESSIONS.dec()
            self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        area = name_area(scope, self._rest_prefix)
        method = scope.get("method", "GET")
        method = method if method in _METHODS else "other"
        figures.REQUESTS.labels(area, method, str(status)).inc()
        level = logging.DEBUG if area in ("static", "media") else logging.INFO
        log.log(
            level,
            "%s %s %s in %.0f ms",
            method,
            area,
            status,
            1000 * seconds,
            extra={"area": area, "method": method, "status": status, "seconds": round(seconds, 4)},
        )
