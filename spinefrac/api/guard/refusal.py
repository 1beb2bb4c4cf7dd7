"""How a request is refused before anything reads it."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from spinefrac.api import figures, problems


async def refuse(
    scope: Scope, receive: Receive, send: Send, status: int, detail: str, kind: str
) -> None:
    """Answer with a problem; close a connection that is to become a WebSocket.

    Parameters
    ----------
    scope, receive, send
        Of ASGI.
    status : int
    detail : str
        What was expected, what came, what to do; without anything that came.
    kind : str
    """
    figures.REFUSED.labels(kind).inc()
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": kind})
        return
    await problems.make_response(status, detail, kind)(scope, receive, send)
