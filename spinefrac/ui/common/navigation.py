"""The pages of the app by address, for the navigation and for links from one page to another."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
from streamlit.navigation.page import StreamlitPage

#: Title and icon of each page, by address, in the order of the navigation.
PAGES = {
    "predict": ("Upload & Predict", ":material/radiology:"),
    "train": ("Train", ":material/model_training:"),
    "augmentation": ("Augmentation", ":material/filter:"),
    "metrics": ("Metrics", ":material/monitoring:"),
    "models": ("Models", ":material/inventory_2:"),
}


def _render_nothing() -> None:
    """Stand for the page in a link: Streamlit finds the page by its address."""


def page(
    address: str, render: Callable[[], None] = _render_nothing, *, default: bool = False
) -> StreamlitPage:
    """Return a page as `st.navigation`, `st.page_link` and `st.switch_page` take it.

    Parameters
    ----------
    address : str
        A key of `PAGES`.
    render : callable
        Draws the page; a link needs none.
    default : bool
        Whether it is the page of the app's own address.
    """
    title, icon = PAGES[address]
    return st.Page(render, title=title, icon=icon, url_path=address, default=default)
