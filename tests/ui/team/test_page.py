"""The page Team is for admins of a team server."""

from __future__ import annotations

import pytest

from tests.support.app import html
from tests.ui.team.support import open_team

pytestmark = pytest.mark.usefixtures("from_checkout", "team")


@pytest.mark.parametrize("view", ["People", "Activity"])
def test_others_see_who_could(view: str) -> None:
    app = open_team("kim", view)
    assert "ask an admin" in app.info[0].value and "ada" not in html(app)
    assert not app.get("download_button")
