"""Every page has an address, and a link to it needs nothing of the page itself."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from spinefrac.access import users
from spinefrac.access.policy import Role
from spinefrac.ui import app
from spinefrac.ui.common import navigation
from tests.support.app import sign_in

LINK = """
import streamlit as st

from spinefrac.ui.common import navigation

renderers = dict.fromkeys(navigation.PAGES, lambda: None)
st.navigation(navigation.list_pages(renderers, "predict")).run()
st.page_link(navigation.page("{address}"))
"""

MENU = """
import streamlit as st

from spinefrac.ui.common import navigation

renderers = dict.fromkeys(navigation.PAGES, lambda: None)
st.text(" ".join(page.url_path for page in navigation.list_pages(renderers, "predict")))
"""


def test_every_address_has_a_page() -> None:
    assert list(navigation.PAGES) == list(app._RENDER)


@pytest.mark.parametrize("address", [one for one in navigation.PAGES if one != "team"])
def test_a_link_leads_to_the_address_of_the_page(address: str) -> None:
    run = AppTest.from_string(LINK.format(address=address)).run()
    assert not run.exception
    (link,) = run.get("page_link")
    assert link.proto.page == address and link.proto.label == navigation.PAGES[address][0]


@pytest.mark.parametrize(("name", "has_team"), [(None, False), ("vic", False), ("ada", True)])
def test_only_an_admin_of_a_team_finds_the_page_team(
    name: str | None, has_team: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is somebody at the machine itself, without users, who may do everything."""
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    run = AppTest.from_string(MENU)
    if name:
        users.add(name, Role.ADMIN if name == "ada" else Role.VIEWER)
        sign_in(run, name)
    run.run()
    assert not run.exception
    addresses = run.text[0].value.split()
    assert "models" in addresses and ("team" in addresses) == has_team
