"""Who uses a session of the pages."""

from pathlib import Path

import pytest

from spinefrac.access import users
from spinefrac.access.policy import Role
from spinefrac.access.users import Kind
from spinefrac.ui.common import visitor
from tests.support.app import page, run_page

pytestmark = pytest.mark.usefixtures("from_checkout")


def test_at_the_machine_itself_no_sign_in_is_needed(empty_home: Path) -> None:
    assert "Sign in" not in [button.label for button in run_page("models").button]


@pytest.mark.parametrize(
    ("user", "proxy_headers", "name"),
    [
        ({"email": "kim@example.org", "email_verified": True, "sub": "7"}, None, "kim@example.org"),
        ({"email": "kim@example.org", "email_verified": False, "sub": "7"}, None, "7"),
        ({"email": "kim@example.org", "sub": "7"}, None, "7"),
        ({"name": "Kim", "preferred_username": "kim"}, None, ""),
        ({"user": "kim"}, {"X-Remote-User": "user"}, "kim"),
        ({"user": None}, {"X-Remote-User": "user"}, ""),
        ({}, None, ""),
    ],
)
def test_the_name_of_a_provider(user: dict, proxy_headers: dict | None, name: str) -> None:
    assert visitor.read_provided_name(user, proxy_headers) == name


def test_a_removed_user_is_out(empty_home: Path) -> None:
    users.add("kim", Role.VIEWER)
    app = page("models")
    app.session_state[visitor.TOKEN_KEY] = users.issue("kim", Kind.SESSION)
    assert "Sign in" not in [button.label for button in app.run().button]
    users.remove("kim")
    users.add("lee", Role.ADMIN)
    app.session_state["visitor"] = (None, None)
    assert "Sign in" in [button.label for button in app.run().button]
