"""What somebody sees who has to sign in: what to do, and nothing else of the app."""

from __future__ import annotations

import streamlit as st

from spinefrac.access import audit_log, users
from spinefrac.access.users import Kind
from spinefrac.errors import SignInError
from spinefrac.ui.common import layout, visitor


def render() -> None:
    """Draw the page."""
    layout.show_heading("Sign in", "This server is for a team: only invited people use it.")
    with layout.show_errors():
        _accept_invitation()
    with st.form("sign-in", border=True, width=520):
        st.text_input("Token", type="password", key="sign-in-typed")
        submitted = st.form_submit_button("Sign in", type="primary")
    if submitted:
        with layout.show_errors():
            sign_in(st.session_state["sign-in-typed"].strip())
    if not users.list_users():
        st.info("No users are set up. On the server, invite the first one:")
        layout.show_commands("spinefrac users add NAME --role admin --url ADDRESS")


def sign_in(token: str) -> None:
    """Begin to use the app with a token, and run the page anew.

    Raises
    ------
    SignInError
        The token does not hold.
    """
    identity = users.check_token(token, Kind.SESSION, Kind.REST, Kind.GUEST)
    if identity is None:
        raise SignInError("the token is unknown or too old: ask an admin for an invitation")
    st.session_state[visitor.TOKEN_KEY] = token
    visitor.forget()
    audit_log.record(identity, audit_log.SIGNED_IN)
    st.rerun()


def _accept_invitation() -> None:
    if token := st.query_params.get(users.INVITATION_PARAMETER):
        session_token = users.accept_invitation(token)
        st.query_params.clear()
        sign_in(session_token)
