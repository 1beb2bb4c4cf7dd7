"""Who is signed in, and the end of it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from spinefrac.access import audit_log, users
from spinefrac.access.policy import LOCAL, Identity, Role
from spinefrac.access.users import Kind
from spinefrac.ui.common import account, visitor
from tests.support.app import html, page, run_page

pytestmark = pytest.mark.usefixtures("from_checkout")


def test_at_the_machine_itself_nobody_is_named(empty_home: Path) -> None:
    app = run_page("models")
    assert "Signed in" not in html(app)
    assert "Sign out" not in [button.label for button in app.button]


def test_sign_out_ends_the_token_and_is_logged(empty_home: Path) -> None:
    users.add("kim", Role.TRAINER)
    token = users.issue("kim", Kind.SESSION)
    app = page("models")
    app.session_state[visitor.TOKEN_KEY] = token
    app.run()
    assert "Signed in as kim (trainer)" in html(app)
    app.button(key="sign-out").click().run()
    assert not app.exception and "Signed in" not in html(app)
    assert users.check_token(token, Kind.SESSION) is None
    assert audit_log.list_entries()[0].action == "sign-out"


def test_the_link_of_a_guest_holds_after_one_of_them_left(empty_home: Path) -> None:
    users.add("kim", Role.TRAINER)
    token = users.issue_guest("demo", LOCAL)
    app = page("predict")
    app.session_state[visitor.TOKEN_KEY] = token
    app.run()
    app.button(key="sign-out").click().run()
    assert users.check_token(token, Kind.GUEST)


def test_a_guest_sees_model_and_end() -> None:
    guest = Identity("guest-1", Role.GUEST, "demo", datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert account.describe(guest) == "Guest of the model demo, until 2026-03-01 12:00 UTC"
