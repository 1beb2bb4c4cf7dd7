"""The page of somebody who has to sign in."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from spinefrac.access import audit_log, users
from spinefrac.access.policy import LOCAL, Role
from spinefrac.access.users import Kind
from tests.support.app import html, page

pytestmark = pytest.mark.usefixtures("from_checkout")
PASSWORD = "correct horse battery"


@pytest.fixture
def team(empty_home: Path) -> Path:
    """A home with one user."""
    users.add("kim", Role.VIEWER)
    users.set_password("kim", PASSWORD)
    return empty_home


def list_buttons(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def is_in(app: AppTest) -> bool:
    """Whether the pages are open."""
    return "Sign out" in list_buttons(app)


def click(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


@pytest.mark.parametrize("address", ["predict", "train", "augmentation", "metrics", "models"])
def test_nothing_else_is_drawn(team: Path, address: str) -> None:
    app = page(address).run()
    assert "Sign in" in html(app)
    assert list_buttons(app) == ["Sign in", "Sign in with token"]
    assert not app.get("file_uploader") and not app.selectbox


def test_name_and_password_sign_in_and_are_logged(team: Path) -> None:
    app = page("models").run()
    app.text_input(key="sign-in-name").input("Kim")
    app.text_input(key="sign-in-secret").input(PASSWORD)
    assert is_in(click(app, "Sign in"))
    entry = audit_log.list_entries()[0]
    assert (entry.who, entry.action) == ("kim", "sign-in")


def test_a_wrong_password_says_what_to_do(team: Path) -> None:
    app = page("models").run()
    app.text_input(key="sign-in-name").input("kim")
    app.text_input(key="sign-in-secret").input("wrong password")
    assert "do not belong together" in click(app, "Sign in").error[0].value


def test_a_token_for_rest_signs_in_and_the_session_has_another(team: Path) -> None:
    app = page("models").run()
    token = users.issue("kim", Kind.REST)
    app.text_input(key="sign-in-typed").input(token)
    assert is_in(click(app, "Sign in with token"))
    assert app.session_state["sign-in-token"] != token


@pytest.mark.parametrize("typed", ["", "wrong"])
def test_a_wrong_token_says_what_to_do(team: Path, typed: str) -> None:
    app = page("models").run()
    app.text_input(key="sign-in-typed").input(typed)
    assert "ask an admin" in click(app, "Sign in with token").error[0].value


def test_an_invitation_signs_in_and_asks_for_a_password(team: Path) -> None:
    users.add("lee", Role.TRAINER)
    app = page("models")
    app.query_params["invitation"] = users.issue("lee", Kind.INVITATION)
    app.run()
    assert "You are signed in as lee" in html(app)
    assert "invitation" not in app.query_params
    first, second = app.text_input
    first.input("another long one"), second.input("a different one")
    assert "two passwords differ" in click(app, "Save password").error[0].value
    first, second = app.text_input
    first.input("another long one"), second.input("another long one")
    assert is_in(click(app, "Save password"))
    assert users.check_token(users.check_password("lee", "another long one"), Kind.SESSION)


def test_a_password_can_wait(team: Path) -> None:
    users.add("lee", Role.TRAINER)
    app = page("models")
    app.query_params["invitation"] = users.issue("lee", Kind.INVITATION)
    assert is_in(click(app.run(), "Not now"))


def test_a_used_invitation_says_what_to_do(team: Path) -> None:
    app = page("models")
    app.query_params["invitation"] = "used"
    assert "ask an admin for a new one" in app.run().error[0].value


def test_the_link_of_a_guest_opens_the_app_until_it_ends(team: Path) -> None:
    app = page("predict")
    app.query_params["guest"] = token = users.issue_guest("phantom-demo", LOCAL)
    app.run()
    assert is_in(app) and "guest" not in app.query_params
    users.revoke(token)
    app = page("predict")
    app.query_params["guest"] = token
    assert "this link has ended" in app.run().error[0].value.lower()
