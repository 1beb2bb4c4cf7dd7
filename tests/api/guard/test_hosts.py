"""Under which names a server answers, and to pages of which origins."""

import pytest

from spinefrac.api.guard.hosts import HostGuard, is_same_origin, split_authority

GUARD = HostGuard(None, ["demo.example.org", "*.clinic.example"])


@pytest.mark.parametrize(
    "host",
    ["localhost:8501", "127.0.0.1", "[::1]:8501", "10.1.2.3:80", "DEMO.example.org.",
     "a.clinic.example"],
)  # fmt: skip
def test_own_names(host):
    assert GUARD.is_known(host)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "clinic.example", "evilclinic.example", "demo.example.org.evil.example", "",
     "user@127.0.0.1", "127.0.0.1/x", "127.0.0.1:port", "127.0.0.1 evil.example", "1.2.3.4.evil"],
)  # fmt: skip
def test_other_names(host):
    assert not GUARD.is_known(host)


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://127.0.0.1:8501", "127.0.0.1:8501", True),
        ("https://demo.example.org", "demo.example.org", True),
        ("https://demo.example.org:443", "DEMO.example.org", True),
        ("http://127.0.0.1:9999", "127.0.0.1:8501", False),
        ("http://localhost:8501", "127.0.0.1:8501", False),
        ("null", "127.0.0.1:8501", False),
        ("", "127.0.0.1:8501", False),
        ("file://127.0.0.1:8501", "127.0.0.1:8501", False),
        ("http://evil.example", "127.0.0.1:8501", False),
        ("http://[", "127.0.0.1:8501", False),
    ],
)
def test_origins(origin, host, same):
    assert is_same_origin(origin, host) is same


def test_authorities():
    assert split_authority("[::1]:80") == ("::1", 80) and split_authority("a") == ("a", None)


def test_a_foreign_host_or_origin_is_refused_before_anything_else(client):
    for headers, kind in (
        ({"Host": "evil.example"}, "host"),
        ({"Origin": "http://evil.example"}, "origin"),
        ({"Origin": "null"}, "origin"),
    ):
        answer = client.get("/api/v1/health/live", headers)
        assert answer.status == 403 and answer.json()["kind"] == kind
        assert "evil" not in answer.text
    own = client.address
    assert client.get("/api/v1/health/live", {"Origin": own}).status == 200
