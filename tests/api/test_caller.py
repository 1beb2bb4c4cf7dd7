"""Who calls."""

import pytest

from spinefrac.access.policy import Role
from spinefrac.api.caller import ServerSettings
from tests.support.rest import Client


def test_on_this_machine_no_token_is_needed(client):
    assert client.get("/api/v1/metrics").status == 200


@pytest.mark.parametrize(
    "headers",
    [{"X-Forwarded-For": "203.0.113.7"}, {"Via": "1.1 proxy"}, {"Host": "203.0.113.7"}],
)
def test_whoever_comes_through_a_proxy_has_to_sign_in(client, headers):
    assert client.get("/api/v1/metrics", headers).status == 401


def test_a_token_that_does_not_hold_is_nobody(as_role, client):
    as_role(Role.ADMIN)
    assert Client(client.address, "x" * 43).get("/api/v1/models").status == 401


def test_a_trusted_proxy_names_the_person(as_role, api, client):
    as_role(Role.ADMIN)
    api.state.server = ServerSettings(
        bind_address="0.0.0.0", has_provider=lambda: True, name_headers=("X-Remote-User",)
    )
    assert client.get("/api/v1/metrics", {"X-Remote-User": "some-admin"}).status == 200
    assert client.get("/api/v1/metrics", {"X-Remote-User": "somebody"}).status == 401
