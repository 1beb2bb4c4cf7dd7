"""Open the Train page as Streamlit runs it, and read what it shows."""

from __future__ import annotations

from dataclasses import replace

from streamlit.testing.v1 import AppTest

from tests.support import app as pages
from tests.training.conftest import quick_settings

SETTINGS = replace(quick_settings(), epochs=4, seed=7, learning_rate=1e-3)


def page(folder: str | None = None, way: str | None = None, **query: str) -> AppTest:
    """Open the page, with a folder chosen or typed, or with one of the ways to one open."""
    app = pages.page("train")
    for name, value in query.items():
        app.query_params[name] = value
    if folder is not None:
        app.session_state["train-folder"] = folder
    if way is not None:
        app.session_state["train-way"] = way
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    parts = [element.proto.body for element in app.get("html")]
    told = [*parts, *(c.value for c in app.caption), *(i.value for i in app.info)]
    return "\n".join([*told, *(block.value for block in app.code)])


def only_error(app: AppTest) -> str:
    (error,) = app.error
    assert "\n" not in error.value
    return error.value.replace("\\", "")


def press_train(app: AppTest) -> AppTest:
    app.button(key="train-start").click().run()
    assert not app.exception
    return app
