"""How often an address may connect to pages. Uploads are limited by size: a folder has many."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from spinefrac.api import rates
from spinefrac.api.guard.refusal import refuse
from spinefrac.errors import BusyError

_CONNECTION_PREFIX = "/_stcore/stream"


class PageRateGuard:
    """Limits new page connections from one address."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and scope["path"].startswith(_CONNECTION_PREFIX):
            client = scope.get("client")
            try:
                rates.count_address(client[0] if client else "")
            except BusyError as error:
                return await refuse(scope, receive, send, 429, str(error), "busy")
        await self._app(scope, receive, send)
