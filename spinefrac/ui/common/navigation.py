"""The pages of the app by address, for the navigation and for links from one page to another."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from spinefrac.access.policy import LOCAL, Action
from spinefrac.ui.common import visitor

#: Title and icon of each page, by address, in the order of the navigation.
PAGES = {
    "predict": ("Upload & Predict", ":material/radiology:"),
    "train": ("Train", ":material/model_training:"),
    "augmentation": ("Augmentation", ":material/filter:"),
    "metrics": ("Metrics", ":material/monitoring:"),
    "models": ("Models", ":material/inventory_2:"),
    "team": ("Team", ":material/group:"),
    "help": ("Help", ":material/help:"),
}
#: Without which a page would be empty. A guest, who may use one model, predicts and no more.
NEEDED = {
    "predict": Action.KEEP_PREDICTION,
    "train": Action.SEE_RUN,
    "augmentation": Action.TRY_AUGMENTATION,
    "metrics": Action.SEE_MODEL,
    "models": Action.SEE_MODEL,
    "team": Action.MANAGE_USERS,
    "help": Action.SEE_MODEL,
}

#: Name of the default page among the pages; it is no address.
_ROOT = "root"


def _render_nothing() -> None:
    """Stand for the page in a link: Streamlit finds the page by its address."""


def page(
    address: str,
    render: Callable[[], None] = _render_nothing,
    *,
    default: bool = False,
    hidden: bool = False,
) -> StreamlitPage:
    """Return a page as `st.navigation`, `st.page_link` and `st.switch_page` take it.

    Parameters
    ----------
    address : str
        A key of `PAGES`.
    render : callable
        Draws the page; a link needs none.
    default : bool
        Whether it is the page of the app's own address. Streamlit then ignores `address`: see
        `list_pages`.
    hidden : bool
        Whether it is left out of the menu.
    """
    title, icon = PAGES[address]
    return st.Page(
        render,
        title=title,
        icon=icon,
        url_path=_ROOT if default else address,
        default=default,
        visibility="hidden" if hidden else "visible",
    )


def list_pages(renderers: Mapping[str, Callable[[], None]], default: str) -> list[StreamlitPage]:
    """Return the pages for `st.navigation`.

    Parameters
    ----------
    renderers : mapping
        What draws each page, by its address.
    default : str
        Address of the page of the app's own address. It is listed once more, hidden from the
        menu, so that its own address leads to it too.
    """
    pages = [
        page(address, renderers[address], default=address == default)
        for address in PAGES
        if address == default or _is_open(address)
    ]
    return [*pages, page(default, renderers[default], hidden=True)]


def _is_open(address: str) -> bool:
    """Return whether somebody finds more than a refusal on a page."""
    identity = visitor.get()
    if identity is None:
        return True  # the address stays until there is a sign-in
    if identity == LOCAL and address == "team":
        return False  # at one's own desk there is none
    return visitor.permits(NEEDED[address], model="")
