"""Headers that tell browsers what a page may do, and cookies that stay where they belong."""

from __future__ import annotations

import base64
import hashlib
import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: What a page may load. Streamlit styles elements in place, hence ``unsafe-inline`` for styles,
#: and loads components from ``blob:``. No other host is named, so none is asked or told anything.
_PAGE_POLICY = (
    "default-src 'self'",
    "script-src 'self' blob: {hashes}",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "media-src 'self' data: blob:",
    "connect-src 'self' data: blob:",
    "worker-src 'self' blob:",
    "frame-src 'self'",
    "frame-ancestors 'self'",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
)
#: Answers of REST are no pages.
REST_POLICY = "default-src 'none'; frame-ancestors 'none'"

_COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
#: A year: a browser that was here once comes back by TLS only.
_STRICT_TRANSPORT = "max-age=31536000"


def describe_page_policy(page: str = "") -> str:
    """Return the policy of a page, whose own scripts within it are named by their hashes."""
    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", page, re.DOTALL)
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return "; ".join(_PAGE_POLICY).format(hashes=hashes).replace(" ;", ";")


class HeaderGuard:
    """Adds the headers, and ``Secure`` and ``SameSite`` to cookies behind TLS.

    Parameters
    ----------
    app : ASGI application
    rest_prefix : str
        Addresses below it are REST.
    page : str
        The HTML that every page begins with.
    """

    def __init__(self, app: ASGIApp, rest_prefix: str, page: str = "") -> None:
        self._app, self._rest_prefix = app, rest_prefix
        self._page_policy = describe_page_policy(page)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        is_rest = scope["path"].startswith(self._rest_prefix)
        is_secure = scope.get("scheme") in ("https", "wss")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _COMMON.items():
                    headers[name] = value
                headers["Content-Security-Policy"] = REST_POLICY if is_rest else self._page_policy
                if is_secure:
                    headers["Strict-Transport-Security"] = _STRICT_TRANSPORT
                    message["headers"] = [
                        (name, _secure(value) if name == b"set-cookie" else value)
                        for name, value in headers.raw
                    ]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _secure(cookie: bytes) -> bytes:
    """Return a Set-Cookie header with ``Secure`` and ``SameSite``."""
    attributes = {part.split(b"=")[0].strip().lower() for part in cookie.split(b";")[1:]}
    if b"secure" not in attributes:
        cookie += b"; Secure"
    if b"samesite" not in attributes:
        cookie += b"; SameSite=Lax"
    return cookie
