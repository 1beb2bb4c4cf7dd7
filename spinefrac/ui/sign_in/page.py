"""What somebody sees who has to sign in: what to do, and nothing else of the app."""

from __future__ import annotations

import streamlit as st

from spinefrac.access import audit_log, users
from spinefrac.access.users import Kind
from spinefrac.errors import SignInError
from spinefrac.ui.common import layout, visitor

#: Holds the name of whom an invitation let in, until the person has chosen a password.
INVITED_KEY = "sign-in-invited"
_WIDTH = 480


def render() -> None:
    """Draw the page."""
    layout.show_heading("Sign in", "This server is for a team: only invited people use it.")
    with layout.show_errors():
        _open_link()
    with layout.show_errors():
        if visitor.has_oidc():
            _show_oidc()
        elif visitor.has_trusted_proxy():
            _show_proxy()
        elif users.list_users():
            _show_password_form()
        else:
            _show_first_steps()
        _show_token_form()


def render_password_choice() -> None:
    """Ask who came by an invitation for a password; it may be left for another time."""
    name = st.session_state[INVITED_KEY]
    layout.show_heading("Welcome", f"You are signed in as {name}.")
    with layout.show_errors():
        with st.form("choose-password", width=_WIDTH):
            st.markdown("With a password you can sign in again when this session has ended.")
            first = st.text_input(
                f"Password of at least {users.MIN_PASSWORD_LENGTH} characters", type="password"
            )
            second = st.text_input("The same once more", type="password")
            submitted = st.form_submit_button("Save password", type="primary")
        if st.button("Not now", type="tertiary"):
            _finish_invitation()
        if submitted:
            if first != second:
                raise SignInError("the two passwords differ: type the same twice")
            users.set_password(name, first)
            _finish_invitation()


def _finish_invitation() -> None:
    del st.session_state[INVITED_KEY]
    st.rerun()


def _open_link() -> None:
    """Sign in by the link of an invitation or of a guest."""
    if token := st.query_params.get(users.INVITATION_PARAMETER):
        del st.query_params[users.INVITATION_PARAMETER]
        session_token = users.accept_invitation(token)
        identity = users.check_token(session_token, Kind.SESSION)
        if identity is not None:
            st.session_state[INVITED_KEY] = identity.name
        sign_in(session_token)
    if token := st.query_params.get(users.GUEST_PARAMETER):
        del st.query_params[users.GUEST_PARAMETER]
        if users.check_token(token, Kind.GUEST) is None:
            raise SignInError("this link has ended: ask the person who gave it to you for another")
        sign_in(token)


def _show_oidc() -> None:
    """Offer the provider; say who somebody is that it knows and this server does not."""
    if name := visitor.describe_connection().provided_name:
        _show_stranger(name)
        if st.button("Sign out", icon=":material/logout:"):
            st.logout()
        return
    for provider in visitor.list_oidc_providers():
        label = f"Sign in with {provider}" if provider else "Sign in with your organisation"
        if st.button(label, type="primary", icon=":material/login:", key=f"oidc-{provider}"):
            st.login(provider or None)


def _show_proxy() -> None:
    if name := visitor.describe_connection().provided_name:
        _show_stranger(name)
    else:
        st.info(
            "You are signed in by the server in front of this one, and it did not say who you are: "
            "open the app by its public address.",
            icon=":material/lock:",
        )


def _show_stranger(name: str) -> None:
    st.warning(
        f"You are {layout.escape_markdown(name)}, and nobody of that name was invited. Ask an "
        "admin to run:",
        icon=":material/person_off:",
    )
    layout.show_commands(f"spinefrac users add {name} --role viewer")


def _show_first_steps() -> None:
    st.info(
        "This address can be reached from other machines, and nobody is invited yet: so nothing "
        "can be used. On the server, invite yourself, and open the link that is printed:",
        icon=":material/lock:",
    )
    layout.show_commands("spinefrac users add NAME --role admin --url ADDRESS")
    st.caption(
        "ADDRESS is what the address bar of this browser shows. Or set up sign-in by OIDC or by a "
        "proxy, see docs/team-server.md. For one person at one machine start the app on 127.0.0.1: "
        "there no sign-in is needed."
    )


def _show_password_form() -> None:
    with st.form("sign-in-password", width=_WIDTH):
        name = st.text_input("Name", key="sign-in-name")
        password = st.text_input("Password", type="password", key="sign-in-secret")
        submitted = st.form_submit_button("Sign in", type="primary")
    if submitted:
        sign_in(users.check_password(name, password))


def _show_token_form() -> None:
    with st.expander("Sign in with a token", width=_WIDTH), st.form("sign-in", border=False):
        typed = st.text_input("Token", type="password", key="sign-in-typed").strip()
        submitted = st.form_submit_button("Sign in with token")
    if submitted:
        identity = users.check_token(typed, Kind.REST, Kind.GUEST)
        if identity is None:
            raise SignInError("the token is unknown or too old: ask an admin for an invitation")
        is_guest = identity.role not in users.USER_ROLES
        sign_in(typed if is_guest else users.issue(identity.name, Kind.SESSION))


def sign_in(token: str) -> None:
    """Begin to use the app with the token of a session or of a guest, and run the page anew."""
    st.session_state[visitor.TOKEN_KEY] = token
    visitor.forget()
    if identity := visitor.get():
        audit_log.record(identity, audit_log.Event.SIGN_IN)
    st.rerun()
