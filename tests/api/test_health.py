"""Whether a server lives, and takes work."""


def test_live_and_ready(api, client, as_role):
    assert as_role(None).get("/api/v1/health/live").json() == {"status": "live"}
    answer = client.get("/api/v1/health/ready")
    assert answer.status == 503 and answer.json()["kind"] == "not-ready"
    api.state.is_ready = True
    assert client.get("/api/v1/health/ready").json() == {"status": "ready"}
