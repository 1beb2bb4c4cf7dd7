"""Who uses this session of the pages, and what the person may do; pages and callbacks ask here."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ParamSpec

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.session_manager import ClientContext

from spinefrac import wording
from spinefrac.access import audit_log, identify, policy, users
from spinefrac.access.identify import Connection
from spinefrac.access.policy import Action, Identity

_P = ParamSpec("_P")

#: The token that was typed or opened as a link in this session.
TOKEN_KEY = "sign-in-token"
#: The token of a cookie that this session came with and gave up.
SIGNED_OUT_KEY = "sign-in-given-up"
#: So long who it is is not looked up again: a page asks for every button.
_CACHE_S = 1.0
_CACHE_KEY = "visitor"


def get() -> Identity | None:
    """Return who uses this session; None for somebody who has to sign in.

    Raises
    ------
    UserError
        The users cannot be read; then nobody may do anything.
    """
    now = time.monotonic()
    at, identity = st.session_state.get(_CACHE_KEY, (None, None))
    if at is None or not 0 <= now - at < _CACHE_S:
        identity = identify.identify(describe_connection())
        st.session_state[_CACHE_KEY] = (now, identity)
    return identity


def forget() -> None:
    """Look up anew who it is at the next question."""
    st.session_state.pop(_CACHE_KEY, None)


def permits(action: Action, *, owner: str | None = None, model: str | None = None) -> bool:
    """Return whether the person may take an action; see `policy.permits`."""
    return policy.permits(get(), action, owner=owner, model=model)


def require(action: Action, *, owner: str | None = None, model: str | None = None) -> Identity:
    """Return who it is, if the person may take an action; see `policy.require`.

    Raises
    ------
    AccessError
        The person may not; `SignInError` where nobody is signed in.
    """
    return policy.require(get(), action, owner=owner, model=model)


def explain(action: Action, *, owner: str | None = None, model: str | None = None) -> str:
    """Return why the person may not take an action, as a sentence; empty for one who may."""
    identity = get()
    if policy.permits(identity, action, owner=owner, model=model):
        return ""
    if identity is None:
        return "Sign in first."
    return wording.to_sentence(policy.explain_refusal(identity, action))


def may(action: Action, *, owner: str | None = None, model: str | None = None) -> bool:
    """Return whether the person may take an action; where not, show the reason."""
    refusal = explain(action, owner=owner, model=model)
    if refusal:
        st.info(refusal, icon=":material/lock:")
    return not refusal


def button(
    action: Action,
    label: str,
    *,
    owner: str | None = None,
    model: str | None = None,
    widget: Callable[..., bool] = st.button,
    **options: Any,
) -> bool:
    """Show a button for an action; disabled, with the reason, for a person who may not.

    Parameters
    ----------
    action, owner, model
        As for `permits`.
    label : str
    widget : callable
        Draws it: `st.button` or another of Streamlit's, also of a column.
    options
        Those of `widget`.

    Returns
    -------
    bool
        Whether it was clicked.

    Raises
    ------
    AccessError
        It was clicked all the same: a browser can send what it likes.
    """
    if refusal := explain(action, owner=owner, model=model):
        options |= {"disabled": True, "help": refusal}
    clicked = widget(label, **options)
    if clicked:
        require(action, owner=owner, model=model)
    return clicked


@contextmanager
def act(
    action: Action, subject: str = "", *, owner: str | None = None, model: str | None = None
) -> Iterator[Identity]:
    """Take an action: refuse it to a person who may not, and log it where it succeeds.

    Parameters
    ----------
    action, owner, model
        As for `permits`.
    subject : str
        The id of what it is done to, for the log; never a path.

    Raises
    ------
    AccessError
        The person may not.
    """
    yield require(action, owner=owner, model=model)
    record(action, subject)


def record(action: Action, subject: str) -> None:
    """Log an action that was taken; nothing that is done at one's own desk."""
    identity = get()
    if identity is not None and identity != policy.LOCAL:
        audit_log.record(identity, action, subject)


def get_owner() -> str:
    """Return what is written on things that this person makes; empty at the machine itself."""
    identity = get()
    return identity.owner if identity else ""


def fragment(
    function: Callable[_P, None] | None = None, *, run_every: float | None = None
) -> Callable[..., Any]:
    """Make a fragment, as `st.fragment` does, that draws nothing for who is no longer signed in.

    A fragment is drawn without the page around it, which asks for a sign-in.
    """
    if function is None:
        return functools.partial(fragment, run_every=run_every)

    @functools.wraps(function)
    def draw(*args: _P.args, **options: _P.kwargs) -> None:
        if get() is None:
            st.rerun()
        function(*args, **options)

    return st.fragment(draw, run_every=run_every)


def describe_connection() -> Connection:
    """Return what Streamlit knows about the browser at the other end."""
    client = _get_client()
    headers = dict(client.headers) if client else {}
    proxy_headers = None if has_oidc() else st.get_option("server.trustedUserHeaders")
    return Connection(
        bind_address=st.get_option("server.address") or "",
        peer_address=((client and client.remote_ip) or "") if is_served() else "localhost",
        is_forwarded=identify.is_forwarded(headers),
        has_provider=has_oidc() or bool(proxy_headers),
        provided_name=read_provided_name(st.user.to_dict(), proxy_headers),
        token=get_token(),
    )


def get_token() -> str:
    """Return the token of this session; empty where there is none."""
    if token := st.session_state.get(TOKEN_KEY):
        return str(token)
    cookie = _read_cookie()
    return "" if cookie == st.session_state.get(SIGNED_OUT_KEY) else cookie


def has_cookie(token: str) -> bool:
    """Return whether the browser came with a cookie that holds the token."""
    return _read_cookie() == token


def _read_cookie() -> str:
    client = _get_client()
    return client.cookies.get(users.COOKIE, "") if client else ""


def _get_client() -> ClientContext | None:
    """Return what the server knows of the browser; None where there is no server."""
    context = get_script_run_ctx()
    if context is None or not is_served():
        return None
    client = runtime.get_instance().get_client(context.session_id)
    return client.client_context if client else None


def is_served() -> bool:
    """Return whether a server runs this script; otherwise no browser is at the other end.

    Streamlit's test runner has an object there that only says that it is a `Runtime`.
    """
    return runtime.exists() and issubclass(type(runtime.get_instance()), runtime.Runtime)


def has_oidc() -> bool:
    """Return whether a sign-in provider is set up, in `.streamlit/secrets.toml`."""
    return bool(st.secrets.load_if_toml_exists()) and "auth" in st.secrets


def list_oidc_providers() -> list[str]:
    """Return the names of the providers in ``[auth]``; an empty one for a single one."""
    section = st.secrets["auth"]
    named = [name for name, value in section.items() if isinstance(value, Mapping)]
    return named or [""]


def has_trusted_proxy() -> bool:
    """Return whether a proxy in front of the server says who somebody is, in a header."""
    return bool(st.get_option("server.trustedUserHeaders"))


def read_provided_name(user: Mapping[str, Any], proxy_headers: Mapping[str, str] | None) -> str:
    """Return the name by which OIDC or a proxy knows somebody; empty where neither does.

    Parameters
    ----------
    user : mapping
        What Streamlit says about the person.
    proxy_headers : mapping or None
        `server.trustedUserHeaders`, header to key of `user`, where there is no OIDC.

    Notes
    -----
    Of OIDC an address counts only if the provider verified it, and a name never: with many
    providers people choose both themselves. `sub` is what the provider itself calls them.
    """
    if proxy_headers:
        return str(next((user[key] for key in proxy_headers.values() if user.get(key)), ""))
    if user.get("email") and user.get("email_verified") in (True, "true"):
        return str(user["email"])
    return str(user.get("sub") or "")
