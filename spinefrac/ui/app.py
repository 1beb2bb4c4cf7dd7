"""The browser app: page configuration and navigation. `app.py` and `pages/*.py` call `run`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from spinefrac.records import NOT_A_MEDICAL_DEVICE
from spinefrac.ui.common import account, navigation, session, visitor
from spinefrac.ui.sign_in import page as sign_in

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


def _team() -> None:
    from spinefrac.ui.team.page import render

    render()


def _help() -> None:
    from spinefrac.ui.help.page import render

    render()


#: What draws each page, by its address in `navigation.PAGES`.
_RENDER = {
    "predict": _predict,
    "train": _train,
    "augmentation": _augmentation,
    "metrics": _metrics,
    "models": _models,
    "team": _team,
    "help": _help,
}


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
    session.begin()
    st.logo(IMAGES / "wordmark.svg", icon_image=IMAGES / "logo.svg", size="large")
    if visitor.get() is None:
        renderers = dict.fromkeys(_RENDER, sign_in.render)
        st.navigation(navigation.list_pages(renderers, default), position="hidden").run()
    elif sign_in.INVITED_KEY in st.session_state:
        renderers = dict.fromkeys(_RENDER, sign_in.render_password_choice)
        st.navigation(navigation.list_pages(renderers, default), position="hidden").run()
    else:
        account.show()
        st.navigation(navigation.list_pages(_RENDER, default)).run()
