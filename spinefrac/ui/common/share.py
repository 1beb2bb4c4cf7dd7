"""Share: a link, and its QR code, that opens the same view for whoever may see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from urllib.parse import urlencode, urlsplit, urlunsplit

import segno
import streamlit as st
from markupsafe import Markup

from spinefrac.access import users
from spinefrac.access.policy import Action
from spinefrac.ui.common import layout, visitor
from spinefrac.ui.common.templates import render_html

#: How long the link of a guest may hold.
GUEST_LIFETIMES = {
    "2 hours": timedelta(hours=2),
    "1 day": timedelta(days=1),
    "1 week": timedelta(days=7),
}
_DEFAULT_URL = "http://127.0.0.1:8501/"


def show_button(page: str, query: Mapping[str, str | Sequence[str]], *, key: str) -> None:
    """Show the button that opens the link to a view.

    Parameters
    ----------
    page : str
        A key of `navigation.PAGES`.
    query : mapping
        What the address of the view says after ``?``.
    key : str
        Of the button.
    """
    if visitor.button(Action.SHARE, "Share", icon=":material/share:", key=key):
        _show_link_dialog(make_link(page, query))


def show_model_button(model_id: str) -> None:
    """Show the button that opens the link to a model, and links for guests."""
    if visitor.button(Action.SHARE, "Share", icon=":material/share:", key="share-model"):
        _show_model_dialog(model_id)


def make_link(page: str, query: Mapping[str, str | Sequence[str]]) -> str:
    """Return the address of a view, beginning as the person's own."""
    return f"{get_app_address()}/{page}?{urlencode(query, doseq=True)}"


def get_app_address() -> str:
    """Return the address of the app as the person's browser has it, without a slash at its end."""
    here = urlsplit(st.context.url or _DEFAULT_URL)
    base = here.path.rsplit("/", 1)[0]  # all pages lie side by side
    return urlunsplit((here.scheme, here.netloc, base, "", ""))


def show_link(link: str) -> None:
    """Show a link to copy, and its QR code."""
    st.code(link, language=None, wrap_lines=True)
    st.html(render_qr_code(link))


def render_qr_code(link: str) -> Markup:
    """Return the QR code of a link: dark on white in every theme, as cameras expect it."""
    source = segno.make(link, error="m", micro=False).svg_data_uri(
        dark="#000", light="#fff", border=4
    )
    return render_html("common/qr_code.html", source=source)


@st.dialog("Share")
def _show_link_dialog(link: str) -> None:
    st.markdown("The link opens this view for everybody who may see it, after a sign-in.")
    show_link(link)


@st.dialog("Share")
def _show_model_dialog(model_id: str) -> None:
    for_team, for_guests = st.tabs(["For the team", "For guests"])
    with for_team:
        st.markdown("The link opens this model for everybody who may see it, after a sign-in.")
        show_link(make_link("models", {"model": model_id}))
    with for_guests, layout.show_errors():
        st.markdown(
            "Whoever has this link predicts with this model and nothing else, without a sign-in. "
            "Nothing of it is kept."
        )
        lifetime = st.segmented_control(
            "Holds for", list(GUEST_LIFETIMES), default="1 day", required=True, key="guest-lifetime"
        )
        if visitor.button(
            Action.INVITE_GUEST, "Create link for guests", type="primary", key="guest-create"
        ):
            show_link(_invite_guest(model_id, GUEST_LIFETIMES[lifetime]))


def _invite_guest(model_id: str, lifetime: timedelta) -> str:
    with visitor.act(Action.INVITE_GUEST, model_id) as identity:
        token = users.issue_guest(model_id, identity, lifetime)
    return make_link("predict", {users.GUEST_PARAMETER: token})
