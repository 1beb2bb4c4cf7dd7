"""Pages of the app in Streamlit's own test runner, without a browser."""

from streamlit.testing.v1 import AppTest


def page(name: str, timeout_s: float = 60) -> AppTest:
    """Return the app with a page, by its address, as the one that is drawn; not yet run."""
    script = f"from spinefrac.ui.app import run\n\nrun({name!r})\n"
    return AppTest.from_string(script, default_timeout=timeout_s)
