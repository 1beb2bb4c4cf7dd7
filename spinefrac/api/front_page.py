"""The HTML that every page begins with, told where the server is.

Streamlit's front end does not know how deep an address such as ``/predict`` lies, and asks for
``/predict/_stcore/health`` before ``/_stcore/health``: two answers 404 in the console of every
link that opens a page. It asks at the right place alone where the HTML names it.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

#: All pages lie side by side, so the folder of any of them is that of the server.
_NAME_SERVER = (
    "<script>window.__streamlit="
    "{BACKEND_BASE_URL:new URL('.',document.location.href).href}</script>"
)
_HEAD = "<head>"


def name_server(html: str) -> str:
    """Return Streamlit's HTML with the address of the server in it, before all other scripts.

    Raises
    ------
    ValueError
        It has no head: a version of Streamlit that this is not made for.
    """
    before, head, after = html.partition(_HEAD)
    if not head:
        raise ValueError(f"expected Streamlit's HTML to have {_HEAD}, got one without it")
    return f"{before}{head}{_NAME_SERVER}{after}"


def make_routes(html: str, addresses: Iterable[str]) -> list[Route]:
    """Return the routes that answer with the HTML: the app's own address, and that of each page."""

    async def answer(_: Request) -> Response:
        return HTMLResponse(html, headers={"Cache-Control": "no-cache"})

    return [Route(path, answer) for path in ("/", *(f"/{address}" for address in addresses))]
