"""Who calls a route: everything about permission is asked from `spinefrac.access`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from spinefrac.access import audit_log, identify, policy
from spinefrac.access.identify import Connection
from spinefrac.access.policy import LOCAL, Action, Identity
from spinefrac.api import rates


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What the routes know about the server that they run in.

    Attributes
    ----------
    bind_address : str
        Where it listens; empty means all addresses.
    has_provider : callable
        Whether sign-in by OIDC or by headers of a trusted proxy is set up.
    name_headers : tuple of str
        Headers of a trusted proxy that name the person.
    """

    bind_address: str = "127.0.0.1"
    has_provider: Callable[[], bool] = field(default=lambda: False)
    name_headers: tuple[str, ...] = ()


#: Declares the token in the OpenAPI document; whether one is needed is decided by `identify`.
_bearer = HTTPBearer(
    auto_error=False, description="A token that `spinefrac users token NAME` prints."
)


async def describe_connection(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Connection:
    """Return what is known of who asks, before anything is looked up."""
    server: ServerSettings = request.app.state.server
    provided = (request.headers.get(name, "") for name in server.name_headers)
    return Connection(
        bind_address=server.bind_address,
        peer_address=request.client.host if request.client else "",
        is_forwarded=is_passed_on(request),
        has_provider=server.has_provider(),
        provided_name=next(filter(None, provided), ""),
        token=credentials.credentials if credentials else "",
    )


#: Who asks, not yet looked up: for a route that does so in the thread in which it works.
Asking = Annotated[Connection, Depends(describe_connection)]


def identify_caller(connection: Asking) -> Identity | None:
    """Return who calls; None for nobody. Counts the request."""
    found = identify.identify(connection)
    if found is None:
        rates.count_stranger(connection.peer_address)
    elif found != LOCAL:
        rates.count_person(found.name)
    return found


def is_passed_on(request: Request) -> bool:
    """Return whether a proxy may stand between: its headers, or a name that is not the machine's.

    A proxy on the same machine that adds no header still passes on the name that was asked for.
    """
    host = request.url.hostname or ""
    return identify.is_forwarded(request.headers) or not identify.is_loopback(host)


#: Who calls, or None: for routes that decide themselves.
Caller = Annotated[Identity | None, Depends(identify_caller)]


def note(identity: Identity, action: Action, subject: str) -> None:
    """Add a line to the log of actions, unless the person sits at the machine itself."""
    if identity != LOCAL:
        audit_log.record(identity, action, subject)


def require(action: Action) -> Callable[[Identity | None], Identity]:
    """Return a dependency that lets in who may take an action which needs no owner."""

    def check(caller: Caller) -> Identity:
        return policy.require(caller, action)

    return check
