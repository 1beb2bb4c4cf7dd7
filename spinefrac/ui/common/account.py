"""Who is signed in, in the sidebar, with the button that ends it; and the cookie of the session."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from spinefrac.access import audit_log, policy, users
from spinefrac.access.policy import Identity, Role
from spinefrac.ui.common import layout, visitor

_keep_session = st.components.v2.component(
    "spinefrac-session", js=Path(__file__).with_name("session_cookie.js").read_text("utf-8")
)


def show() -> None:
    """Show who is signed in; nothing at the machine itself, where nobody has to."""
    identity = visitor.get()
    if identity is None or identity == policy.LOCAL:
        return
    _keep_cookie()
    with st.sidebar.container(key="account"):
        layout.show_note(describe(identity))
        if st.button("Sign out", icon=":material/logout:", type="tertiary", key="sign-out"):
            _sign_out(identity)


def describe(identity: Identity) -> str:
    """Return who somebody is, as a line."""
    if identity.role is Role.GUEST and identity.expires_at:
        return (
            f"Guest of the model {identity.model}, until {identity.expires_at:%Y-%m-%d %H:%M} UTC"
        )
    return f"Signed in as {identity.name} ({identity.role})"


def _keep_cookie() -> None:
    """Have the server set the cookie, so that the session outlives a reload of the page.

    Only `spinefrac serve` has the route for it; elsewhere a reload asks for the sign-in again.
    """
    token = st.session_state.get(visitor.TOKEN_KEY, "")
    if token and not visitor.has_cookie(token):
        _keep_session(key="session-cookie", data={"token": token})


def _sign_out(identity: Identity) -> None:
    audit_log.record(identity, audit_log.Event.SIGN_OUT)
    token = visitor.get_token()
    if token and identity.role is not Role.GUEST:  # the link of a guest is for many
        users.revoke(token)
    st.session_state.clear()
    st.session_state[visitor.SIGNED_OUT_KEY] = token
    if visitor.has_oidc() and st.user.get("is_logged_in"):
        st.logout()
        st.stop()  # a rerun would begin before the browser is told to go to the provider
    st.rerun()
