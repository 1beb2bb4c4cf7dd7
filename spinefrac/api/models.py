"""``GET /models``: saved models, their cards and figures."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict

from spinefrac import settings
from spinefrac.access import policy
from spinefrac.access.policy import Action, Identity
from spinefrac.api.caller import Caller
from spinefrac.api.problems import NotFoundError, describe_responses
from spinefrac.errors import ModelError
from spinefrac.store import card_markdown, identifiers, model_records, repository
from spinefrac.store.repository import DamagedModel, SavedModel

router = APIRouter(prefix="/models", tags=["models"])

ModelId = Annotated[str, Path(description="Id of a saved model.", max_length=100)]


class ModelRecord(BaseModel):
    """One saved model, with the keys of `spinefrac models list --json`."""

    id: str
    note: str
    tags: list[str]
    archived: bool
    card_sha256: str
    default: bool
    created: str
    trained_by: str
    parent: dict[str, Any] | None
    network: str
    origin: str
    images: int | None
    groups: int | None
    group_rule: str | None
    audit_verdict: str
    auc: float | None
    auc_ci: list[float] | None
    threshold: float
    size: int


class DamagedRecord(BaseModel):
    """A folder among the models that cannot be used, and why."""

    model_config = ConfigDict(extra="forbid")

    id: str
    error: str


def require_model(
    caller: Identity | None, action: Action, model_id: str | None
) -> tuple[Identity, str]:
    """Return who calls and the id of a model, if that person may take the action with it.

    Raises
    ------
    SignInError, AccessError
    NotFoundError
        There is no such model.
    """
    wanted = model_id or repository.get_default_id()
    identity = policy.require(caller, action, model=wanted)
    try:
        exists = (settings.models_dir() / identifiers.validate(wanted)).is_dir()
    except ModelError as error:
        raise NotFoundError(str(error)) from error
    if not exists:
        raise NotFoundError(repository.explain_missing(wanted))
    return identity, wanted


def _load(caller: Identity | None, model_id: str) -> SavedModel:
    _, found = require_model(caller, Action.SEE_MODEL, model_id)
    return repository.load(found)


@router.get(
    "",
    summary="List saved models",
    response_model=list[ModelRecord | DamagedRecord],
    responses=describe_responses(401, 403),
)
def list_models(caller: Caller, archived: bool = False) -> list[dict[str, Any]]:
    """List saved models, and why one cannot be used; archived ones only on request.

    A guest sees the one model of the link.
    """
    if caller is None:
        policy.require(caller, Action.SEE_MODEL)
    default = _find_default_id()
    return [
        model_records.describe_model(model, default)
        for model in repository.list_models()
        if policy.permits(caller, Action.SEE_MODEL, model=model.id)
        and (archived or isinstance(model, DamagedModel) or not model.archived)
    ]


@router.get(
    "/{model_id}",
    summary="Show a model's card",
    response_model=dict[str, Any],
    responses=describe_responses(401, 403, 404, 409),
)
def show_model(caller: Caller, model_id: ModelId) -> dict[str, Any]:
    """Return everything that a card holds: data, settings, folds, metrics with intervals."""
    return model_records.describe_card(_load(caller, model_id))


@router.get(
    "/{model_id}/card",
    summary="Return a model's card as Markdown",
    response_class=Response,
    responses={
        200: {
            "description": "The card",
            "content": {"text/markdown": {"schema": {"type": "string"}}},
        },
        **describe_responses(401, 403, 404, 409),
    },
)
def get_card(caller: Caller, model_id: ModelId) -> Response:
    """Return the model card for people and for model hubs; it names no file and no patient."""
    text = card_markdown.render_markdown(_load(caller, model_id))
    return Response(text, media_type="text/markdown")


def _find_default_id() -> str:
    try:
        return repository.get_default_id()
    except ModelError:
        return ""
