"""What may be uploaded, counted where it arrives: by a page's session, by a caller of REST.

Files that a page uploads stay in memory until its session ends, whether or not the page ever
looks at them. So they are counted here, before they are read.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spinefrac.api.guard.refusal import refuse
from spinefrac.errors import BudgetError
from spinefrac.system import budgets
from spinefrac.system.budgets import Account

_UPLOAD_PREFIX = "/_stcore/upload_file/"
#: Largest body of a request, in bytes: the largest file that `spinefrac.imaging` opens, and its
#: wrapping.
MAX_BODY_BYTES = 500 * (1 << 20) + (1 << 20)


def make_account() -> Account:
    """Return an account of what sessions have uploaded, with the limits of `budgets.FILES`."""
    files = budgets.FILES
    return Account(files.what, files.total, files.share, unit=files.unit, advice=files.advice)


class _Refused(Exception):
    """The body is larger than may be held; nothing more of it is read."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class _Body:
    """The body of one request: counted as it arrives; `status` is that of the answer, or 0."""

    def __init__(
        self, account: Account, owner: str, key: str, receive: Receive, send: Send
    ) -> None:
        self._account, self._owner, self._key = account, owner, key
        self._receive, self._send = receive, send
        self._received = self.status = 0

    def hold(self, amount: int) -> None:
        if amount > MAX_BODY_BYTES:
            raise _Refused(413, f"expected at most {MAX_BODY_BYTES >> 20} MB; send less")
        try:
            self._account.hold(self._owner, self._key, amount)
        except BudgetError as error:
            raise _Refused(error.http_status, str(error)) from error

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self.hold(self._received)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


class UploadGuard:
    """Counts the bodies of requests, and refuses those that are too large.

    Parameters
    ----------
    app : ASGI application
    rest_prefix : str
        Addresses below it are REST; what comes there is counted until it is answered.
    is_active : callable
        Whether a session of a page is still connected.
    """

    def __init__(self, app: ASGIApp, rest_prefix: str, is_active: Callable[[str], bool]) -> None:
        self._app, self._rest_prefix, self._is_active = app, rest_prefix, is_active
        self._account = make_account()
        self._sessions: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("POST", "PUT", "PATCH", "DELETE"):
            return await self._app(scope, receive, send)
        path, is_delete = scope["path"], scope["method"] == "DELETE"
        if path.startswith(_UPLOAD_PREFIX):
            session, _, file = path.removeprefix(_UPLOAD_PREFIX).partition("/")
            if is_delete:
                self._account.release(session, file)
                return await self._app(scope, receive, send)
            self._forget_ended()
            self._sessions.add(session)
            await self._count(scope, receive, send, session, file, keep=True)
        elif path.startswith(self._rest_prefix):
            client = scope.get("client")
            owner = f"rest:{client[0] if client else ''}"
            await self._count(scope, receive, send, owner, uuid4().hex, keep=False)
        else:
            await self._app(scope, receive, send)

    async def _count(
        self, scope: Scope, receive: Receive, send: Send, owner: str, key: str, *, keep: bool
    ) -> None:
        """Hold the body while it arrives; `keep` what was answered with success."""
        body = _Body(self._account, owner, key, receive, send)
        declared = Headers(scope=scope).get("content-length", "")
        try:
            if declared.isdigit():
                body.hold(int(declared))
                await self._app(scope, receive, body.send)
            else:
                await self._app(scope, body.receive, body.send)
        except _Refused as refused:
            if not body.status:
                kind = "busy" if refused.status == 429 else "budget"
                await refuse(scope, receive, body.send, refused.status, refused.detail, kind)
        finally:
            if not keep or not 200 <= body.status < 300:
                self._account.release(owner, key)

    def _forget_ended(self) -> None:
        """Give back what sessions hold that are not connected any more."""
        for session in [one for one in self._sessions if not self._is_active(one)]:
            self._sessions.discard(session)
            self._account.release(session)
