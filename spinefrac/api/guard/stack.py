"""All guards in their order, from the first that a request meets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from spinefrac.api.guard.headers import HeaderGuard
from spinefrac.api.guard.hosts import HostGuard
from spinefrac.api.guard.page_rates import PageRateGuard
from spinefrac.api.guard.refusal import refuse
from spinefrac.api.guard.request_log import RequestLog
from spinefrac.api.guard.uploads import UploadGuard

#: Figures that Streamlit gives to anybody; those who may see figures have ``/api/v1/metrics``.
CLOSED_PATHS = ("/_stcore/metrics",)


class ClosedPaths:
    """Answers as if some addresses did not exist.

    One of REST with a line end matches no route there, and would become a page.
    """

    def __init__(self, app: ASGIApp, rest_prefix: str) -> None:
        self._app, self._rest_prefix = app, rest_prefix

    def _is_closed(self, path: str) -> bool:
        is_rest = path.startswith(self._rest_prefix)
        return path.startswith(CLOSED_PATHS) or (is_rest and not path.isprintable())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._is_closed(scope["path"]):
            return await refuse(scope, receive, send, 404, "There is nothing here", "not-found")
        await self._app(scope, receive, send)


def list_allowed_hosts() -> tuple[str, ...]:
    """Return the names of ``SPINEFRAC_ALLOWED_HOSTS``, separated by commas."""
    names = os.environ.get("SPINEFRAC_ALLOWED_HOSTS", "").split(",")
    return tuple(name.strip() for name in names if name.strip())


def build_middleware(
    rest_prefix: str,
    is_active: Callable[[str], bool],
    hosts: Iterable[str] | None = None,
    page: str = "",
) -> list[Middleware]:
    """Return the guards for an application.

    Parameters
    ----------
    rest_prefix : str
        Where REST is mounted.
    is_active : callable
        Whether a session of a page is connected, by its id.
    hosts : iterable of str, optional
        See `HostGuard`; those of `list_allowed_hosts` by default.
    page : str
        See `HeaderGuard`.
    """
    names = tuple(list_allowed_hosts() if hosts is None else hosts)
    return [
        Middleware(RequestLog, rest_prefix=rest_prefix),
        Middleware(HeaderGuard, rest_prefix=rest_prefix, page=page),
        Middleware(HostGuard, names=names),
        Middleware(ClosedPaths, rest_prefix=rest_prefix),
        Middleware(PageRateGuard),
        Middleware(UploadGuard, rest_prefix=rest_prefix, is_active=is_active),
    ]
