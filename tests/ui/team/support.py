"""Open the page Team as somebody."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from tests.support.app import page, sign_in


def open_team(name: str = "ada", view: str = "People") -> AppTest:
    """Return a view of the page after its first run."""
    app = sign_in(page("team"), name)
    app.query_params["team"] = view
    app.run()
    assert not app.exception
    return app
