"""Who is at the other end of a connection: the person, or nobody.

Without any sign-in set up, whoever sits at the machine itself is its admin, as with any program on
a desk. Anywhere else, and wherever users exist or a provider is set up, nobody is anybody before
signing in. Pages and REST fill a `Connection` and ask `identify`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from spinefrac.access import users
from spinefrac.access.policy import LOCAL, Identity
from spinefrac.access.users import Kind

#: A proxy writes one of these; then the address of the peer says nothing about the person.
_PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


@dataclass(frozen=True, slots=True)
class Connection:
    """What a server knows about a connection.

    Attributes
    ----------
    bind_address : str
        Where the server listens; empty means all addresses.
    peer_address : str
        From where the connection comes.
    is_forwarded : bool
        Whether a proxy passed it on; see `is_forwarded`.
    has_provider : bool
        Whether sign-in by OIDC or by headers of a trusted proxy is set up.
    provided_name : str
        Who it is by OIDC or by a header of a trusted proxy; empty where neither says so.
    token : str
        Of a session, of REST or of a guest.
    """

    bind_address: str
    peer_address: str
    is_forwarded: bool = False
    has_provider: bool = False
    provided_name: str = ""
    token: str = ""


def identify(connection: Connection) -> Identity | None:
    """Return who it is; None for somebody who has to sign in.

    Raises
    ------
    UserError
        The database of users cannot be read; then nobody may do anything.
    """
    if not needs_sign_in(connection):
        return LOCAL
    if holder := users.check_token(connection.token, Kind.SESSION, Kind.REST, Kind.GUEST):
        return holder
    if connection.provided_name and (user := users.find(connection.provided_name)):
        users.note_seen(user.name, user.last_seen_at)
        return Identity(user.name, user.role)
    return None


def needs_sign_in(connection: Connection) -> bool:
    """Return whether somebody has to sign in: everywhere but on the machine itself."""
    is_local = (
        is_loopback(connection.bind_address)
        and is_loopback(connection.peer_address)
        and not connection.is_forwarded
    )
    return not is_local or connection.has_provider or bool(users.list_users())


def is_loopback(address: str) -> bool:
    """Return whether an address is one of the machine itself.

    Examples
    --------
    >>> [is_loopback(address) for address in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "")]
    [True, True, True, False, False]
    """
    if address == "localhost":
        return True
    try:
        parsed = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)


def is_forwarded(headers: Mapping[str, str]) -> bool:
    """Return whether a proxy may have passed a request on.

    A proxy on the same machine that adds no header still passes on the name that was asked for.

    Parameters
    ----------
    headers : mapping
        Their names in any case.

    Examples
    --------
    >>> [is_forwarded({"Host": host}) for host in ("localhost:8501", "[::1]", "demo.example.org")]
    [False, False, True]
    """
    found = {name.lower(): value for name, value in headers.items()}
    if any(name in found for name in _PROXY_HEADERS):
        return True
    try:
        host = urlsplit(f"//{found.get('host', 'localhost')}").hostname
    except ValueError:
        return True
    return not is_loopback(host or "")
