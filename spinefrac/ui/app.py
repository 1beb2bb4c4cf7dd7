"""The browser app: page configuration and navigation. `app.py` and `pages/*.py` call `run`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from spinefrac.records import NOT_A_MEDICAL_DEVICE

IMAGES = Path(__file__).parent / "common" / "images"


# A page is imported when it is first opened, so that no page waits for what another needs.
def _predict() -> None:
    from spinefrac.ui.predict.page import render

    render()


def _train() -> None:
    from spinefrac.ui.train.page import render

    render()


def _augmentation() -> None:
    from spinefrac.ui.augmentation.page import render

    render()


def _metrics() -> None:
    from spinefrac.ui.metrics.page import render

    render()


def _models() -> None:
    from spinefrac.ui.models.page import render

    render()


#: Address of each page: what draws it, its title, its icon.
_PAGES = {
    "predict": (_predict, "Upload & Predict", ":material/radiology:"),
    "train": (_train, "Train", ":material/model_training:"),
    "augmentation": (_augmentation, "Augmentation", ":material/filter:"),
    "metrics": (_metrics, "Metrics", ":material/monitoring:"),
    "models": (_models, "Models", ":material/inventory_2:"),
}


def page(name: str, *, default: bool = False) -> StreamlitPage:
    """Return a page by its address, for navigation and for links from other pages."""
    render, title, icon = _PAGES[name]
    return st.Page(render, title=title, icon=icon, url_path=name, default=default)


def run(default: str = "predict") -> None:
    """Draw the page that the address names.

    Parameters
    ----------
    default : str
        Address of the page that is drawn where the address names none.
    """
    st.set_page_config(
        page_title="spinefrac",
        page_icon=IMAGES / "logo.svg",
        layout="wide",
        menu_items={"About": f"**spinefrac** · {NOT_A_MEDICAL_DEVICE}"},
    )
    st.logo(IMAGES / "wordmark.svg", icon_image=IMAGES / "logo.svg", size="large")
    st.navigation([page(name, default=name == default) for name in _PAGES]).run()
