"""Every page has an address, and a link to it needs nothing of the page itself."""

from streamlit.testing.v1 import AppTest

from spinefrac.ui import app
from spinefrac.ui.common import navigation

LINK = """
import streamlit as st

from spinefrac.ui.common import navigation

pages = [navigation.page(address, default=address == "predict") for address in navigation.PAGES]
st.navigation(pages).run()
st.page_link(navigation.page("metrics"))
"""


def test_every_address_has_a_page() -> None:
    assert list(navigation.PAGES) == list(app._RENDER)


def test_a_link_leads_to_the_address_of_the_page() -> None:
    run = AppTest.from_string(LINK).run()
    assert not run.exception
    (link,) = run.get("page_link")
    assert link.proto.page == "metrics" and link.proto.label == "Metrics"
