"""Where nobody has to sign in, and that it is nowhere else."""

from dataclasses import replace
from pathlib import Path

import pytest

from spinefrac.access import identify, users
from spinefrac.access.identify import Connection
from spinefrac.access.policy import LOCAL, Identity, Role
from spinefrac.access.users import Kind

DESK = Connection("127.0.0.1", "127.0.0.1")


def test_at_the_machine_itself_one_is_its_admin(home: Path) -> None:
    assert identify.identify(DESK) == LOCAL


@pytest.mark.parametrize(
    "change",
    [
        {"bind_address": "0.0.0.0"},
        {"bind_address": ""},
        {"bind_address": "unix:///run/app.sock"},
        {"bind_address": "::"},
        {"peer_address": "192.0.2.7"},
        {"peer_address": ""},
        {"is_forwarded": True},
        {"has_provider": True},
    ],
)
def test_anywhere_else_one_is_nobody(home: Path, change: dict) -> None:
    assert identify.identify(replace(DESK, **change)) is None


def test_where_there_are_users_one_signs_in_at_the_machine_too(home: Path) -> None:
    users.add("kim", Role.VIEWER)
    assert identify.identify(DESK) is None


@pytest.mark.parametrize("kind", [Kind.SESSION, Kind.REST])
def test_a_token_says_who_it_is(home: Path, kind: Kind) -> None:
    users.add("kim", Role.TRAINER)
    signed_in = replace(DESK, bind_address="0.0.0.0", token=users.issue("kim", kind))
    assert identify.identify(signed_in) == Identity("kim", Role.TRAINER)


def test_an_invitation_is_no_sign_in(home: Path) -> None:
    users.add("kim", Role.TRAINER)
    assert identify.identify(replace(DESK, token=users.issue("kim", Kind.INVITATION))) is None


def test_a_provider_names_a_user_or_a_stranger(home: Path) -> None:
    users.add("kim@example.org", Role.TRAINER)
    provided = replace(DESK, has_provider=True, provided_name="Kim@example.org")
    assert identify.identify(provided) == Identity("kim@example.org", Role.TRAINER)
    assert identify.identify(replace(provided, provided_name="lee@example.org")) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "::ffff:127.0.0.1"])
def test_loopback(address: str) -> None:
    assert identify.is_loopback(address)


@pytest.mark.parametrize("address", ["", "0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example", "*"])
def test_not_loopback(address: str) -> None:
    assert not identify.is_loopback(address)


def test_a_proxy_is_seen_by_its_headers() -> None:
    assert identify.is_forwarded({"X-Forwarded-For": "192.0.2.7"})
    assert identify.is_forwarded({"via": "1.1 cache"})
    assert not identify.is_forwarded({"Host": "localhost"})
