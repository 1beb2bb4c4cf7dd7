"""Users on the page Team: invite, give another role, end sessions, remove."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from spinefrac.access import audit_log, users
from spinefrac.access.policy import Identity, Role
from spinefrac.access.users import Kind
from tests.support.app import html
from tests.ui.team.support import open_team

pytestmark = pytest.mark.usefixtures("from_checkout", "team")


def test_an_admin_sees_who_may_sign_in() -> None:
    users.issue("kim", Kind.INVITATION)
    users.issue("kim", Kind.REST)
    shown = html(open_team())
    assert "1 token for REST · invitation open until" in shown and "never seen" in shown
    assert "1 session" in shown  # that of the admin


def test_an_invitation_is_shown_once() -> None:
    app = open_team()
    app.text_input[0].set_value("Lee@Example.org")
    app.selectbox[0].set_value(Role.TRAINER)
    next(one for one in app.button if one.label == "Invite").click().run()
    assert not app.exception and users.get("lee@example.org").role is Role.TRAINER
    link = next(one.value for one in app.code if "invitation=" in one.value)
    assert link.startswith("http://127.0.0.1:8501/?invitation=")
    assert "data:image/svg+xml" in html(app)
    session = users.accept_invitation(link.partition("=")[2])
    assert users.check_token(session, Kind.SESSION) == Identity("lee@example.org", Role.TRAINER)
    app.run()
    assert not any("invitation=" in one.value for one in app.code)
    assert [entry.action for entry in audit_log.list_entries()] == ["invite-user", "add-user"]


def test_a_name_that_is_taken_is_an_error_on_the_page() -> None:
    app = open_team()
    app.text_input[0].set_value("kim")
    next(one for one in app.button if one.label == "Invite").click().run()
    assert "There is a user kim" in app.error[0].value.replace("\\", "")


def confirm(app: AppTest, opener: str, key: str) -> AppTest:
    """Confirm in an open dialog. A test reruns the page, not the dialog alone: it opens again."""
    app.button(key=opener).click()
    app.button(key=key).click().run()
    assert not app.exception
    return app


def test_role_sessions_and_removal_are_confirmed_and_logged() -> None:
    token = users.issue("kim", Kind.SESSION)
    app = open_team()
    app.button(key="user-role-kim").click().run()
    app.selectbox(key="team-new-role").set_value(Role.VIEWER)
    confirm(app, "user-role-kim", "confirm-user-role")
    assert users.get("kim").role is Role.VIEWER
    app.button(key="user-end-kim").click().run()
    assert users.check_token(token, Kind.SESSION)
    confirm(app, "user-end-kim", "confirm-user-end")
    assert not users.check_token(token, Kind.SESSION)
    app.button(key="user-remove-kim").click().run()
    assert users.find("kim") is not None
    confirm(app, "user-remove-kim", "confirm-remove")
    assert users.find("kim") is None
    logged = [(entry.who, entry.action) for entry in audit_log.list_entries()]
    assert logged == [("ada", "remove-user"), ("ada", "end-sessions"), ("ada", "change-role")]


def test_the_only_admin_cannot_be_taken_away() -> None:
    app = open_team()
    for key in ("user-role-ada", "user-remove-ada"):
        button = app.button(key=key)
        assert button.disabled and "only admin" in button.help
    users.add("eve", Role.ADMIN)
    app = open_team()
    assert not app.button(key="user-remove-ada").disabled
    app.button(key="user-remove-ada").click().run()
    app.button(key="user-remove-ada").click()
    users.remove("eve")  # meanwhile, by another admin
    app.button(key="confirm-remove").click().run()
    assert users.get("ada").role is Role.ADMIN


def test_who_is_no_longer_an_admin_changes_nothing() -> None:
    users.add("eve", Role.ADMIN)
    app = open_team()
    app.button(key="user-remove-kim").click().run()
    users.set_role("ada", Role.VIEWER)
    confirm(app, "user-remove-kim", "confirm-remove")
    assert users.find("kim") is not None
    assert any("may not" in one.value for one in (*app.error, *app.info))
