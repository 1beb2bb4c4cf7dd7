"""The cookie of a session."""

from datetime import timedelta
from http.cookies import SimpleCookie

import pytest
from starlette.applications import Starlette

from spinefrac.access import users
from spinefrac.access.policy import LOCAL, Role
from spinefrac.access.users import COOKIE, Kind
from spinefrac.api import session
from tests.support import rest


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A server with the route alone, and a user."""
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    users.add("kim", Role.VIEWER)
    with rest.serve(Starlette(routes=session.routes)) as client:
        yield client


def read_cookie(answer):
    assert answer.status == 204
    return SimpleCookie(answer.headers["set-cookie"])[COOKIE]


def test_a_session_is_kept_where_scripts_do_not_see_it(site):
    token = users.issue("kim", Kind.SESSION)
    cookie = read_cookie(site.post_json("/session", {"token": token}))
    assert cookie.value == token
    assert cookie["httponly"] and cookie["samesite"] == "strict" and not cookie["secure"]
    assert int(cookie["max-age"]) == 12 * 3600


def test_the_cookie_of_a_guest_ends_with_the_link(site):
    token = users.issue_guest("demo", LOCAL, timedelta(minutes=5))
    cookie = read_cookie(site.post_json("/session", {"token": token}))
    assert 200 < int(cookie["max-age"]) <= 300


@pytest.mark.parametrize("kind", [Kind.REST, Kind.INVITATION])
def test_no_other_token_becomes_a_cookie(site, kind):
    answer = site.post_json("/session", {"token": users.issue("kim", kind)})
    assert read_cookie(answer).value == "" and read_cookie(answer)["max-age"] == "0"


@pytest.mark.parametrize(
    "body", [{}, [], "x", {"token": 1}, {"token": "wrong"}, {"token": "x" * 2000}, None]
)
def test_anything_else_removes_it(site, body):
    assert read_cookie(site.post_json("/session", body)).value == ""


def test_a_form_of_another_site_cannot_set_it(site):
    token = users.issue("kim", Kind.SESSION)
    answer = site.ask(
        "POST", "/session", f'{{"token": "{token}"}}'.encode(), {"Content-Type": "text/plain"}
    )
    assert read_cookie(answer).value == ""
