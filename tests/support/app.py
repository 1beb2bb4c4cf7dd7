"""Pages of the app, and parts of pages, in Streamlit's own test runner, without a browser."""

from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button


def page(name: str, timeout_s: float = 60) -> AppTest:
    """Return the app with a page, by its address, as the one that is drawn; not yet run."""
    script = f"from spinefrac.ui.app import run\n\nrun({name!r})\n"
    return AppTest.from_string(script, default_timeout=timeout_s)


def run_page(name: str, timeout_s: float = 60) -> AppTest:
    """Return the app with a page, by its address, after its first run."""
    app = page(name, timeout_s).run()
    assert not app.exception
    return app


def html(app: AppTest) -> str:
    """Return all HTML that the app shows."""
    return "\n".join(element.proto.body for element in app.get("html"))


def click_sample(app: AppTest, number: int = 0) -> AppTest:
    """Select a sample on Upload & Predict."""
    app.button(key=f"sample-{number}").click().run()
    assert not app.exception
    return app


#: A page of some parts of a prediction: `{parts}` use model, ct, prediction and content.
_PREDICTION_SCRIPT = """
from dataclasses import replace
from pathlib import Path

import streamlit as st

from spinefrac import imaging
from spinefrac.inference.predictor import get_predictor

predictor = get_predictor()
model = predictor.model
content = Path("spinefrac/ui/samples/{sample}").read_bytes()
ct = imaging.read(content)
prediction = predictor.predict(ct)
{parts}
"""


def run_prediction_parts(parts: str, sample: str = "fracture-1.dcm") -> AppTest:
    """Return a page that draws `parts`, lines of Python, for a sample, after its first run.

    The lines may use ``model``, ``ct``, ``prediction``, ``content`` and ``replace``.
    """
    script = _PREDICTION_SCRIPT.format(sample=sample, parts=parts)
    app = AppTest.from_string(script, default_timeout=180).run()
    assert not app.exception and not app.error
    return app


def sign_in(app: AppTest, name: str) -> AppTest:
    """Give an app, before its first run, the session of a user of its home."""
    from spinefrac.access import users
    from spinefrac.access.users import Kind
    from spinefrac.ui.common import visitor

    app.session_state[visitor.TOKEN_KEY] = users.issue(name, Kind.SESSION)
    return app


def click_disabled(button: Button) -> AppTest:
    """Click a disabled button, as a changed browser can."""
    assert button.disabled
    button.proto.disabled = False
    return button.click().run()
