"""The page of somebody who has to sign in."""

from pathlib import Path

import pytest

from spinefrac.access import audit_log, users
from spinefrac.access.policy import Role
from spinefrac.access.users import Kind
from tests.support.app import html, page

pytestmark = pytest.mark.usefixtures("from_checkout")


@pytest.fixture
def team(empty_home: Path) -> Path:
    """A home with one user."""
    users.add("kim", Role.VIEWER)
    return empty_home


@pytest.mark.parametrize("address", ["predict", "train", "augmentation", "metrics", "models"])
def test_nothing_else_is_drawn(team: Path, address: str) -> None:
    app = page(address).run()
    assert "<h1>Sign in" in html(app) or "Sign in" in html(app)
    assert [button.label for button in app.button] == ["Sign in"]
    assert not app.get("file_uploader")


def test_a_token_signs_in_and_is_logged(team: Path) -> None:
    app = page("models").run()
    app.text_input(key="sign-in-typed").input(users.issue("kim", Kind.REST))
    app.button[0].click().run()
    assert not app.exception and "Sign in" not in [button.label for button in app.button]
    assert audit_log.list_entries()[0].who == "kim"


@pytest.mark.parametrize("typed", ["", "wrong"])
def test_a_wrong_token_says_what_to_do(team: Path, typed: str) -> None:
    app = page("models").run()
    app.text_input(key="sign-in-typed").input(typed)
    app.button[0].click().run()
    assert "ask an admin for an invitation" in app.error[0].value


def test_the_link_of_an_invitation_signs_in(team: Path) -> None:
    app = page("models")
    app.query_params["invitation"] = users.issue("kim", Kind.INVITATION)
    app.run()
    assert not app.exception and "Sign in" not in [button.label for button in app.button]
    assert "invitation" not in app.query_params


def test_a_used_invitation_says_what_to_do(team: Path) -> None:
    app = page("models")
    app.query_params["invitation"] = "used"
    assert "ask an admin for a new one" in app.run().error[0].value
