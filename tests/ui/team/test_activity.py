"""The log of actions on the page Team."""

from __future__ import annotations

import json

import pytest

from spinefrac.access import audit_log
from spinefrac.access.audit_log import Event
from spinefrac.access.policy import Identity, Role
from tests.support.app import html
from tests.ui.team.support import open_team

pytestmark = pytest.mark.usefixtures("from_checkout", "team")


def test_the_activity_is_chosen_and_counted() -> None:
    for name in ("ada", "kim", "kim"):
        audit_log.record(Identity(name, Role.VIEWER), Event.SIGN_IN)
    app = open_team(view="Activity")
    assert "3 lines" in [one.value for one in app.markdown]
    app.selectbox(key="log-who").set_value("kim").run()
    assert "2 lines" in [one.value for one in app.markdown] and ">ada<" not in html(app)
    app.selectbox(key="log-action").set_value("sign-in").run()
    assert html(app).count('<td data-title="Who">kim</td>') == 2
    assert [one.label for one in app.get("download_button")] == ["Download CSV", "Download JSON"]
    assert json.loads(audit_log.to_json(audit_log.list_entries()))[0]["who"] == "kim"


def test_without_a_line_there_is_nothing_to_download() -> None:
    app = open_team(view="Activity")
    assert "Nothing that matches" in app.info[0].value
    assert all(one.proto.disabled for one in app.get("download_button"))
