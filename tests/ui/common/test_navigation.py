"""Every page has an address, and a link to it needs nothing of the page itself."""

import pytest
from streamlit.testing.v1 import AppTest

from spinefrac.ui import app
from spinefrac.ui.common import navigation

LINK = """
import streamlit as st

from spinefrac.ui.common import navigation

renderers = dict.fromkeys(navigation.PAGES, lambda: None)
st.navigation(navigation.list_pages(renderers, "predict")).run()
st.page_link(navigation.page("{address}"))
"""


def test_every_address_has_a_page() -> None:
    assert list(navigation.PAGES) == list(app._RENDER)


@pytest.mark.parametrize("address", navigation.PAGES)
def test_a_link_leads_to_the_address_of_the_page(address: str) -> None:
    run = AppTest.from_string(LINK.format(address=address)).run()
    assert not run.exception
    (link,) = run.get("page_link")
    assert link.proto.page == address and link.proto.label == navigation.PAGES[address][0]
