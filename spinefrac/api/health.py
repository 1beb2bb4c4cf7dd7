"""``GET /health/live`` and ``/health/ready``: for whoever restarts servers or sends them work."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from spinefrac.api import problems
from spinefrac.api.problems import describe_responses

router = APIRouter(prefix="/health", tags=["operation"])


class Health(BaseModel):
    """State of the server."""

    status: str


@router.get("/live", summary="Whether the process answers")
async def get_live() -> Health:
    """Answer as long as the process can; anybody may ask."""
    return Health(status="live")


@router.get(
    "/ready",
    summary="Whether the server takes work",
    response_model=Health,
    responses=describe_responses(503),
)
async def get_ready(request: Request) -> Health | JSONResponse:
    """Answer 200 once the default model and the decoders are warm, and until the server stops."""
    if not getattr(request.app.state, "is_ready", False):
        return problems.make_response(
            503, "The server starts or stops: try again in a moment", "not-ready"
        )
    return Health(status="ready")
