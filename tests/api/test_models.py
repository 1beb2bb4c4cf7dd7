"""Models by REST."""

import pytest

from spinefrac.access import users
from spinefrac.access.policy import LOCAL, Role


def test_list_and_card(client, home):
    (record,) = client.get("/api/v1/models").json()
    assert record["id"] == "phantom-demo" and record["default"] is True
    card = client.get("/api/v1/models/phantom-demo").json()
    assert card["id"] == "phantom-demo" and card["metrics"]["auc"] == record["auc"]
    text = client.get("/api/v1/models/phantom-demo/card")
    assert text.headers["Content-Type"].startswith("text/markdown")
    assert "phantom-demo" in text.text


def test_a_damaged_model_is_listed_with_the_reason(client, home):
    (home / "models" / "broken").mkdir()
    try:
        found = {record["id"]: record for record in client.get("/api/v1/models").json()}
        assert set(found["broken"]) == {"id", "error"}
        assert client.get("/api/v1/models/broken").status == 409
    finally:
        (home / "models" / "broken").rmdir()


@pytest.mark.parametrize("name", ["nothing-here", "..%2f..%2fetc", "UPPER", "a%00b"])
def test_what_is_no_model_is_not_found(client, name):
    for path in (f"/api/v1/models/{name}", f"/api/v1/models/{name}/card"):
        assert client.get(path).status == 404


def test_who_may_see_models(as_role):
    assert as_role(None).get("/api/v1/models").status == 401
    assert len(as_role(Role.VIEWER).get("/api/v1/models").json()) == 1
    guest = as_role(None)
    guest.token = users.issue_guest("another", LOCAL)
    assert guest.get("/api/v1/models").json() == []
    assert guest.get("/api/v1/models/phantom-demo").status == 403
