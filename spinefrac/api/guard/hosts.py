"""The names under which the server answers, and the pages that may ask it.

A page of another site can have its own name resolve to this machine (DNS rebinding), or send
requests across origins. Both are refused here, before Streamlit compares an Origin with addresses
that it looks up elsewhere. An address in numbers is never the result of rebinding.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from spinefrac.api.guard.refusal import refuse

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class HostGuard:
    """Refuses requests under other names, and from pages of other origins.

    Parameters
    ----------
    app : ASGI application
    names : iterable of str
        Names, beside ``localhost``, that of this machine and addresses in numbers;
        ``*.example.org`` stands for all names below one.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str] = ()) -> None:
        self._app = app
        self._names = {"localhost", _clean(socket.gethostname()), *map(_clean, names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self.is_known(hosts[0]):
            return await refuse(
                scope, receive, send, 403,
                "Expected a name of this server as Host, got another: use its address, or have "
                "--allow-host (SPINEFRAC_ALLOWED_HOSTS) name it", "host",
            )  # fmt: skip
        if any(not is_same_origin(origin, hosts[0]) for origin in headers.getlist("origin")):
            return await refuse(
                scope, receive, send, 403,
                "Expected a request from a page of this server, got one from another origin: "
                "open the server's own pages", "origin",
            )  # fmt: skip
        await self._app(scope, receive, send)

    def is_known(self, host: str) -> bool:
        """Return whether the value of a Host header is a name of this server."""
        parts = split_authority(host)
        if parts is None:
            return False
        name = _clean(parts[0])
        if _is_address(name) or name in self._names:
            return True
        return any(known.startswith("*.") and name.endswith(known[1:]) for known in self._names)


def is_same_origin(origin: str, host: str) -> bool:
    """Return whether an Origin header names the host that is asked.

    Examples
    --------
    >>> is_same_origin("https://demo.example.org", "demo.example.org:443")
    True
    >>> is_same_origin("http://evil.example", "127.0.0.1:8501")
    False
    """
    try:
        found = urlsplit(origin)
    except ValueError:
        return False
    default = _DEFAULT_PORTS.get(found.scheme)
    there, here = split_authority(found.netloc), split_authority(host)
    if default is None or there is None or here is None:
        return False
    return (_clean(there[0]), there[1] or default) == (_clean(here[0]), here[1] or default)


def split_authority(text: str) -> tuple[str, int | None] | None:
    """Return name and port of a host as it stands in a header; None where it is none."""
    try:
        parts = urlsplit(f"//{text}")
        name, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not name or parts.netloc != text or "@" in text:
        return None
    return name, port


def _clean(name: str) -> str:
    return name.strip().lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
