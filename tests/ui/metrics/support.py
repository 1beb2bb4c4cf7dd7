"""Open the Metrics page as Streamlit runs it, and read what it shows."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from tests.support import app as pages


def page(**query: object) -> AppTest:
    app = pages.page("metrics")
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    return checked(app)


def checked(app: AppTest) -> AppTest:
    assert not app.exception
    assert not app.error
    assert "nan" not in text(app).lower().replace("finance", "")
    return app


def text(app: AppTest) -> str:
    parts = [element.proto.body for element in app.get("html")]
    return "\n".join([*parts, *(c.value for c in app.caption), *(i.value for i in app.info)])
