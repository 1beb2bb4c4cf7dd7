"""A saved prediction by link."""

from __future__ import annotations

from pathlib import Path

import pytest

from spinefrac.access import audit_log, users
from spinefrac.access.policy import LOCAL, Role
from spinefrac.inference import history
from tests.support.app import click_sample, html, page, sign_in

pytestmark = pytest.mark.usefixtures("from_checkout")


@pytest.fixture
def team(own_home: Path) -> Path:
    """A home with the demonstration model, two viewers and a history."""
    users.add("kim", Role.VIEWER)
    users.add("lee", Role.VIEWER)
    return own_home


def test_a_link_shows_the_prediction_to_a_colleague_and_to_no_guest(team: Path) -> None:
    app = click_sample(sign_in(page("predict"), "kim").run())
    (entry,) = history.list_entries()
    assert entry.owner == "kim"
    app.button(key=f"share-prediction-{entry.id}").click().run()
    assert not app.exception
    (link,) = [code.value for code in app.code if "shared=" in code.value]
    token = link.partition("shared=")[2]
    assert audit_log.list_entries()[0].subject == f"prediction {entry.id}"

    others = sign_in(page("predict"), "lee")
    others.query_params["shared"] = token
    others.run()
    assert "kim" in html(others) and entry.model in html(others)
    others.button(key="shared-close").click().run()
    assert "shared" not in others.query_params

    guest = page("predict")
    guest.query_params["guest"] = users.issue_guest("phantom-demo", LOCAL)
    guest.query_params["shared"] = token
    guest.run()
    assert "as guest you may not see predictions" in guest.error[0].value.lower().replace("\\", "")


def test_the_history_shows_own_predictions_and_an_admin_those_of_all(team: Path) -> None:
    users.add("ada", Role.ADMIN)
    click_sample(sign_in(page("predict"), "kim").run())
    assert "No predictions on this server yet" in html(sign_in(page("predict"), "lee").run())
    assert "1 prediction" in html(sign_in(page("predict"), "kim").run())
    assert "1 prediction" in html(sign_in(page("predict"), "ada").run())


def test_one_deletes_own_predictions_only(team: Path) -> None:
    click_sample(sign_in(page("predict"), "lee").run())
    app = click_sample(sign_in(page("predict"), "kim").run())
    assert [entry.owner for entry in history.list_entries()] == ["kim", "lee"]
    app.run()  # the history above is drawn before the prediction is saved
    app.button(key="history-delete").click().run()
    app.button(key="history-delete").click()
    app.button(key="confirm-history-delete").click().run()
    assert not app.exception
    assert [entry.owner for entry in history.list_entries()] == ["lee"]


@pytest.mark.parametrize("token", ["wrong", ""])
def test_a_link_that_has_ended_is_one_line(team: Path, token: str) -> None:
    app = sign_in(page("predict"), "lee")
    app.query_params["shared"] = token
    app.run()
    assert not app.exception and len(app.error) == (1 if token else 0)


def test_a_session_or_guest_token_shows_no_prediction(team: Path) -> None:
    assert users.find_shared_prediction(users.issue_guest("phantom-demo", LOCAL)) is None
