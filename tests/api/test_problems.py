"""Errors as problem details."""

import pytest

from spinefrac import errors
from spinefrac.api import problems


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (errors.ImageError("x"), 422, "image"),
        (errors.BudgetError("x"), 413, "budget"),
        (errors.BusyError("x"), 429, "busy"),
        (errors.RunError("x"), 409, "run"),
        (errors.UnknownRunError("x"), 404, "unknown-run"),
        (errors.ModelError("x"), 409, "model"),
        (errors.SignInError("x"), 401, "sign-in"),
        (errors.AccessError("x"), 403, "access"),
        (errors.DatasetError("x"), 422, "dataset"),
    ],
)
def test_status_and_kind(error, status, kind):
    assert problems.get_status(error) == status
    assert problems.name_kind(type(error)) == kind


def test_everything_that_goes_wrong_is_a_problem(client):
    for method, path, status in (
        ("GET", "/api/v1/nothing", 404),
        ("PUT", "/api/v1/predict", 405),
        ("POST", "/api/v1/predict", 422),
    ):
        answer = client.ask(method, path, b"" if method != "GET" else None)
        assert (answer.status, answer.headers["Content-Type"]) == (status, problems.MEDIA_TYPE)
        assert set(answer.json()) >= {"type", "title", "status", "detail", "kind"}
        assert answer.json()["status"] == status
    assert client.ask("PUT", "/api/v1/predict", b"").headers["Allow"]


def test_a_mistake_of_the_server_tells_nothing(api, client):
    @api.get("/broken")
    def break_down():
        raise ValueError("the name of a patient")

    answer = client.get("/api/v1/broken")
    assert answer.status == 500 and "patient" not in answer.text
    assert answer.json()["kind"] == "unexpected"
