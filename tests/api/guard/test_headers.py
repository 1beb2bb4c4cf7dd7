"""Headers of every answer, and cookies behind TLS."""

import asyncio

import pytest

from spinefrac.api.guard.headers import REST_POLICY, HeaderGuard, describe_page_policy


def ask(path="/", scheme="http", cookies=()):
    """Return the headers of an answer that goes through the guard."""
    sent = []

    async def app(scope, receive, send):
        headers = [(b"set-cookie", cookie) for cookie in cookies]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "scheme": scheme}
    asyncio.run(HeaderGuard(app, "/api/v1")(scope, None, send))
    return [(name.decode().lower(), value.decode()) for name, value in sent[0]["headers"]]


def test_pages_and_rest_have_a_policy_each():
    page, rest = dict(ask("/train")), dict(ask("/api/v1/models"))
    assert page["content-security-policy"] == describe_page_policy()
    assert rest["content-security-policy"] == REST_POLICY
    for headers in (page, rest):
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "strict-transport-security" not in headers


def test_no_other_host_is_named():
    policy = describe_page_policy()
    assert not {"http:", "https:", "*"} & set(policy.replace(";", "").split())


def test_scripts_within_the_page_are_named_by_their_hashes():
    page = "<script src='x.js'></script><script>\n  go()\n</script><script type='module'>1</script>"
    policy = describe_page_policy(page)
    assert policy.count("'sha256-") == 2
    assert "'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='" in policy  # of "1"
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        (b"a=1", "a=1; Secure; SameSite=Lax"),
        (b"a=1; Path=/; SameSite=Strict", "a=1; Path=/; SameSite=Strict; Secure"),
        (b"a=secure; Secure; samesite=lax", "a=secure; Secure; samesite=lax"),
    ],
)
def test_cookies_behind_tls(cookie, expected):
    assert ("set-cookie", expected) in ask(scheme="https", cookies=[cookie])
    assert ("set-cookie", cookie.decode()) in ask(cookies=[cookie])
    assert "strict-transport-security" in dict(ask(scheme="https"))


def test_refusals_have_them_too(client):
    answer = client.get("/api/v1/health/live", {"Host": "evil.example"})
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
