"""Errors as problem details (RFC 9457): ``application/problem+json`` with a kind."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from spinefrac import errors
from spinefrac.errors import SpinefracError

MEDIA_TYPE = "application/problem+json"

#: What an error of `spinefrac.errors` answers, where the error itself does not say.
_STATUS: dict[type[SpinefracError], int] = {
    errors.RunError: 409,
    errors.ModelError: 409,
    errors.HistoryError: 503,
}
#: Seconds after which a caller who was refused for load may try again.
RETRY_AFTER_S = 5


class FileProblem(BaseModel):
    """One file that could not be used, and why."""

    file: str
    error: str


class Problem(BaseModel):
    """Problem details of RFC 9457. `kind` is stable; `detail` is for people."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "There is no saved model 'first'",
                    "kind": "not-found",
                }
            ]
        }
    )

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    kind: str
    files: list[FileProblem] | None = None


class NotFoundError(SpinefracError):
    """There is no such model, run or data set."""

    http_status = 404


class NoPredictionError(SpinefracError):
    """No file of a request has a prediction; `files` say why."""

    http_status = 422

    def __init__(self, detail: str, files: list[FileProblem]) -> None:
        super().__init__(detail)
        self.files = files


def describe_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the problems that a route may answer with, for the OpenAPI document."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def make_response(
    status: int, detail: str, kind: str, files: list[FileProblem] | None = None
) -> JSONResponse:
    """Return the response of a problem."""
    problem = Problem(
        title=HTTPStatus(status).phrase, status=status, detail=detail, kind=kind, files=files
    )
    headers = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="spinefrac"'
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return JSONResponse(
        problem.model_dump(exclude_none=True), status, media_type=MEDIA_TYPE, headers=headers
    )


def name_kind(error: type[Exception]) -> str:
    """Return the stable kind of an error: ``ImageError`` is ``image``.

    Examples
    --------
    >>> name_kind(errors.SpinefracError), name_kind(errors.ChangedDataError)
    ('spinefrac', 'changed-data')
    """
    name = error.__name__.removesuffix("Error")
    return "".join(f"-{sign.lower()}" if sign.isupper() else sign for sign in name).strip("-")


def get_status(error: SpinefracError) -> int:
    """Return the status that an error answers; 422 where what was sent is at fault."""
    if status := getattr(error, "http_status", None):
        return int(status)
    return next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 422)


def add_handlers(app: FastAPI) -> None:
    """Have every error of an application answered as a problem."""
    app.add_exception_handler(SpinefracError, _answer_own_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid_request)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(Exception, _answer_unexpected_error)


def _answer_own_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SpinefracError)
    files = getattr(error, "files", None)
    return make_response(get_status(error), str(error), name_kind(type(error)), files)


def _answer_invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    detail = f"{where}: {first['msg']}; see /api/v1/openapi.json for what this route takes"
    return make_response(422, detail, "invalid-request")


def _answer_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    response = make_response(error.status_code, str(error.detail), phrase.lower().replace(" ", "-"))
    response.headers.update(error.headers or {})
    return response


def _answer_unexpected_error(request: Request, error: Exception) -> JSONResponse:
    return make_response(
        500, "The server made a mistake; its log says more to whoever runs it", "unexpected"
    )
