"""``GET /metrics``: figures of the server for Prometheus, for those who may see them."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from spinefrac.access.policy import Action
from spinefrac.api import figures
from spinefrac.api.caller import require
from spinefrac.api.problems import describe_responses
from spinefrac.system import budgets
from spinefrac.training import runs

router = APIRouter(tags=["operation"])


@router.get(
    "/metrics",
    summary="Figures of the server, for Prometheus",
    response_class=Response,
    dependencies=[Depends(require(Action.SEE_SERVER_METRICS))],
    responses={
        200: {"description": "Figures", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **describe_responses(401, 403),
    },
)
def get_metrics() -> Response:
    """Return requests, predictions, budgets, runs and memory in the text format of Prometheus."""
    found = [run.state for run in runs.list_runs() if run.is_open]
    for state in ("queued", "running"):
        figures.RUNS.labels(state).set(found.count(state))
    for name, account in budgets.BY_NAME.items():
        figures.HELD.labels(name).set(account.held())
    return Response(generate_latest(figures.REGISTRY), media_type=CONTENT_TYPE_LATEST)
