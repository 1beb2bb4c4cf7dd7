"""How often somebody may ask."""

import pytest

from spinefrac.access.policy import Role
from spinefrac.api import rates
from spinefrac.errors import BusyError


@pytest.fixture(autouse=True)
def fresh():
    rates._get_limiter.cache_clear()
    yield
    rates._get_limiter.cache_clear()


def test_a_person_is_limited_by_name(monkeypatch):
    monkeypatch.setenv("SPINEFRAC_RATE_LIMIT", "3")
    for _ in range(3):
        rates.count_person("kim")
    with pytest.raises(BusyError, match="3 requests a minute"):
        rates.count_person("kim")
    rates.count_person("lee")


@pytest.mark.parametrize("text", ["", "0", "many", "-1"])
def test_what_is_no_limit_is_the_usual_one(monkeypatch, text):
    monkeypatch.setenv("SPINEFRAC_RATE_LIMIT", text)
    assert rates.get_person_limit() == rates.PER_PERSON


def test_strangers_cannot_try_tokens_for_long(as_role, monkeypatch):
    monkeypatch.setattr(rates, "PER_STRANGER", 5)
    stranger = as_role(None)
    stranger.token = "x" * 43
    statuses = [stranger.get("/api/v1/models").status for _ in range(7)]
    assert statuses == [401] * 5 + [429] * 2
    assert as_role(Role.VIEWER).get("/api/v1/models").status == 200


def test_a_person_who_asks_too_often_is_told_to_wait(as_role, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_RATE_LIMIT", "2")
    viewer = as_role(Role.VIEWER)
    statuses = [viewer.get("/api/v1/models").status for _ in range(3)]
    assert statuses == [200, 200, 429]
