"""The FastAPI application with all routes of ``/api/v1``, and its OpenAPI document."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from spinefrac.api import datasets, health, metrics, models, predict, problems, runs, uploads
from spinefrac.api.caller import ServerSettings
from spinefrac.api.problems import MEDIA_TYPE, FileProblem, Problem
from spinefrac.records import NOT_A_MEDICAL_DEVICE

#: Where the application is mounted.
PREFIX = "/api/v1"


def build_api(server: ServerSettings | None = None) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    server : ServerSettings, optional
        The server it runs in; one that listens on this machine only by default.
    """
    app = FastAPI(
        title="spinefrac",
        version=version("spinefrac"),
        description=f"Train and serve classifiers of spinal CT slices. {NOT_A_MEDICAL_DEVICE}",
        # The pages of documentation load their scripts from another host.
        docs_url=None,
        redoc_url=None,
        servers=[{"url": PREFIX}],
        root_path_in_servers=False,
        redirect_slashes=False,
        # Nothing is sent to collectors, and no message of an exception is recorded.
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    app.state.server = server or ServerSettings()
    for resource in (predict, models, datasets, uploads, runs, health, metrics):
        app.include_router(resource.router)
    problems.add_handlers(app)
    app.openapi = lambda: _describe(app)  # type: ignore[method-assign]
    return app


def _describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document: as FastAPI makes it, with problems where it has its own."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            servers=app.servers,
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        _, found = models_json_schema(
            [(Problem, "serialization"), (FileProblem, "serialization")],
            ref_template="#/components/schemas/{model}",
        )
        schemas.update(found["$defs"])
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for path in document["paths"].values():
            for operation in path.values():
                _replace_validation_error(operation["responses"])
                if "security" in operation:  # on the machine itself no token is needed
                    operation["security"].append({})
        app.openapi_schema = document
    return app.openapi_schema


def _replace_validation_error(responses: dict[str, Any]) -> None:
    if "application/json" in responses.get("422", {}).get("content", {}):
        responses["422"] = {
            "description": "Unprocessable Content",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
