"""The guards together."""

from spinefrac.api.guard import stack


def test_figures_of_streamlit_are_closed(client):
    assert client.get("/_stcore/metrics").status == 404
    assert client.get("/_stcore/metrics").json()["kind"] == "not-found"


def test_a_line_end_in_an_address_leads_nowhere(client):
    answer = client.get("/api/v1/models/a%0Ab")
    assert answer.status == 404 and answer.json()["kind"] == "not-found"


def test_allowed_hosts_are_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("SPINEFRAC_ALLOWED_HOSTS", " demo.example.org, ,*.clinic.example")
    assert stack.list_allowed_hosts() == ("demo.example.org", "*.clinic.example")
    monkeypatch.delenv("SPINEFRAC_ALLOWED_HOSTS")
    assert stack.list_allowed_hosts() == ()
