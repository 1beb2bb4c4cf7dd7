"""Users, one row each: invite, give another role, end sessions, remove."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st
from markupsafe import Markup

from spinefrac import wording
from spinefrac.access import accounts, users
from spinefrac.access.accounts import Account
from spinefrac.access.policy import Action, Identity, Role
from spinefrac.ui.common import layout, share, visitor
from spinefrac.ui.common.templates import render_html

ROLE_HELP = (
    "Viewers predict and see metrics. Trainers also upload data sets and train. Admins may do "
    "everything, and manage people."
)
ONLY_ADMIN = "The only admin stays one: make somebody else an admin first."
#: Session state: name and token of an invitation that is shown once.
_INVITATION_KEY = "team-invitation"
#: Session state: how many people were added; a new form is empty.
_ADDED_KEY = "team-added"


def show_people() -> None:
    """Show the form of an invitation and everybody who may sign in."""
    _show_invitation_once()
    _show_add_form()
    found = accounts.list_accounts(visitor.get())
    admins = [account for account in found if account.user.role is Role.ADMIN]
    st.markdown(wording.format_count(len(found), "user"))
    layout.show_rows(found, lambda account: _show_row(account, is_only_admin=admins == [account]))
    st.caption(
        "Times are UTC. A new role and a removal hold within a second. What belonged to somebody "
        "who is removed stays, and is changed by admins only. Who signs in by your organisation "
        "needs no link, only the same name."
    )


def _show_add_form() -> None:
    """Ask for name and role of somebody new."""
    added = st.session_state.setdefault(_ADDED_KEY, 0)
    with st.expander("Invite somebody", icon=":material/person_add:"), layout.show_errors():
        with st.form(f"team-add-{added}", border=False):
            name_column, role_column = st.columns([2, 1])
            name = name_column.text_input(
                "Name",
                key=f"team-name-{added}",
                max_chars=users.MAX_NAME_LENGTH,
                placeholder="kim, or kim@example.org",
                help="Without spaces. By OIDC or a proxy: the name that it gives.",
            )
            role = role_column.selectbox("Role", users.USER_ROLES, help=ROLE_HELP)
            submitted = visitor.button(
                Action.MANAGE_USERS,
                "Invite",
                widget=st.form_submit_button,
                type="primary",
            )
        if submitted:
            user = accounts.add(_get_admin(), name, role)
            _invite(user.name)
            st.session_state[_ADDED_KEY] += 1
            st.rerun()


def _get_admin() -> Identity | None:
    """Return who acts, looked up anew: somebody else may have taken the role away just now."""
    visitor.forget()
    return visitor.get()


def _invite(name: str) -> None:
    """Make an invitation; it is shown in the next run of the page."""
    st.session_state[_INVITATION_KEY] = (name, accounts.invite(_get_admin(), name))


def _show_invitation_once() -> None:
    if invitation := st.session_state.pop(_INVITATION_KEY, None):
        _show_invitation(*invitation)


@st.dialog("Invitation")
def _show_invitation(name: str, token: str) -> None:
    days = users.LIFETIMES[users.Kind.INVITATION].days
    st.markdown(
        f"Give this link to **{layout.escape_markdown(name)}**. It signs in once, within {days} "
        "days, and asks for a password. It is not shown again; a new one takes its place."
    )
    share.show_link(users.make_invitation_link(share.get_app_address(), token))


def _show_row(account: Account, *, is_only_admin: bool) -> None:
    """Show one user with what can be done."""
    name = account.user.name
    only_admin: dict[str, Any] = {"disabled": True, "help": ONLY_ADMIN} if is_only_admin else {}
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", key=f"person-row-{name}"
    ):
        st.html(render_person(account), width="stretch")
        if visitor.button(
            Action.MANAGE_USERS, "New link", icon=":material/link:", key=f"user-invite-{name}"
        ):
            _invite(name)
            st.rerun()
        if visitor.button(
            Action.MANAGE_USERS,
            "Change role",
            icon=":material/badge:",
            key=f"user-role-{name}",
            **only_admin,
        ):
            _change_role(account)
        if visitor.button(
            Action.MANAGE_USERS, "End sessions", icon=":material/logout:", key=f"user-end-{name}"
        ):
            _end_sessions(name)
        if visitor.button(
            Action.MANAGE_USERS,
            "Remove",
            icon=":material/person_remove:",
            key=f"user-remove-{name}",
            **only_admin,
        ):
            _remove(name)


def render_person(account: Account) -> Markup:
    """Return the head of a user's row: name and role, and what is known below."""
    return render_html(
        "team/person_row.html",
        name=account.user.name,
        role=account.user.role,
        facts=list_facts(account),
    )


def list_facts(account: Account) -> Sequence[str]:
    """Return what an admin wants to know of a user, each as a few words."""
    user = account.user
    facts = [
        f"since {user.created_at[:10]}",
        f"last seen {format_time(user.last_seen_at)}" if user.last_seen_at else "never seen",
    ]
    if account.sessions:
        facts.append(wording.format_count(account.sessions, "session"))
    if account.rest_tokens:
        facts.append(wording.format_count(account.rest_tokens, "token") + " for REST")
    if account.invited_until:
        facts.append(f"invitation open until {format_time(account.invited_until)}")
    return facts


def format_time(text: str) -> str:
    """Return a time of the database to the minute.

    >>> format_time("2026-03-01T09:41:07+00:00")
    '2026-03-01 09:41'
    """
    return text[:16].replace("T", " ")


@st.dialog("Change role")
def _change_role(account: Account) -> None:
    name = account.user.name
    role = st.selectbox(
        f"Role of {name}",
        users.USER_ROLES,
        index=users.USER_ROLES.index(account.user.role),
        help=ROLE_HELP,
        key="team-new-role",
    )
    if st.button("Change role", type="primary", key="confirm-user-role"):
        with layout.show_errors():
            accounts.set_role(_get_admin(), name, role)
            st.rerun()


@st.dialog("End sessions")
def _end_sessions(name: str) -> None:
    st.markdown(
        f"End all sessions, tokens for REST and the invitation of "
        f"**{layout.escape_markdown(name)}**? A password stays: with it the person can sign in "
        "again. A sign-in by your organisation is ended there."
    )
    if st.button("End sessions", type="primary", key="confirm-user-end"):
        with layout.show_errors():
            accounts.end_sessions(_get_admin(), name)
            st.rerun()


@st.dialog("Remove user")
def _remove(name: str) -> None:
    st.markdown(
        f"Remove **{layout.escape_markdown(name)}** with all sessions and tokens? Models, runs, "
        "data sets and predictions stay, and are changed by admins only."
    )
    if st.button("Remove", type="primary", icon=":material/person_remove:", key="confirm-remove"):
        with layout.show_errors():
            accounts.remove(_get_admin(), name)
            st.rerun()
