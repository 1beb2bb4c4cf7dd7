"""Open the page Models as Streamlit runs it, and read what it shows."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from tests.support import app as pages


def page(model: str | None = None, name: str = "models") -> AppTest:
    app = pages.page(name)
    if model:
        app.query_params["model"] = model
    return checked(app.run())


def checked(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    return app


def html(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.get("html"))


def shown(app: AppTest) -> list[str]:
    """Names of the models in a line, in their order."""
    return [button.key.removeprefix("open-") for button in app.button if button.label == "Open"]


def dialog(app: AppTest, opener: str) -> None:
    """Open a dialog."""
    checked(button(app, opener).click().run())


def button(app: AppTest, label: str) -> Button:
    return next(b for b in app.button if b.label == label)


def confirm(app: AppTest, opener: str, key: str) -> AppTest:
    """Confirm in an open dialog. A test reruns the page, not the dialog alone: it opens again."""
    button(app, opener).click()
    return checked(app.button(key=key).click().run())
