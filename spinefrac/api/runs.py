"""``/runs``: submit a training run, see it, follow its events, cancel and resume it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path as FolderPath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field, create_model

from spinefrac import settings as places
from spinefrac.access import datasets, policy
from spinefrac.access.policy import Action, Identity
from spinefrac.api.caller import Caller, note, require
from spinefrac.api.problems import describe_responses
from spinefrac.data import data_roots
from spinefrac.errors import BudgetError, DatasetError
from spinefrac.system import budgets
from spinefrac.training import runs
from spinefrac.training.augmentation import presets
from spinefrac.training.runner import run_names
from spinefrac.training.runs import Run, json_records, live
from spinefrac.training.settings import NETWORK_WEIGHTS, SETTINGS, Setting, TrainingSettings

router = APIRouter(prefix="/runs", tags=["runs"])

RunId = Annotated[str, Path(description="Id of a run, or its model's name.", max_length=200)]

#: Of the settings only weights by name: a path would name a file of the server.
_WEIGHTS = tuple(dict.fromkeys(name for names in NETWORK_WEIGHTS.values() for name in names))
#: Largest whole number that a setting without a limit of its own takes.
_LARGEST = 2**31 - 1


def _describe_setting(setting: Setting) -> tuple[Any, Any]:
    """Return type and field of a setting, as pydantic wants them."""
    kind: Any = setting.type
    facts: dict[str, Any] = {}
    if setting.name == "weights":
        kind = Literal[_WEIGHTS] | None
    elif setting.choices:
        kind = Literal[tuple(setting.choices)]
    elif setting.name == "group_by":
        facts["pattern"] = r"^(auto|file|csv:[^\x00-\x1f]{1,100})$"
    if setting.minimum is not None:
        facts["gt" if setting.above else "ge"] = setting.minimum
        facts["le"] = setting.maximum if setting.maximum is not None else _LARGEST
    return kind, Field(setting.default, description=setting.description, **facts)


#: The settings of `spinefrac train`, described once, in `spinefrac.training.settings`.
_FIELDS: dict[str, Any] = {name: _describe_setting(one) for name, one in SETTINGS.items()}
RunSettings: Any = create_model(
    "RunSettings", __config__=ConfigDict(extra="forbid", strict=True), **_FIELDS
)


class RunRequestBody(BaseModel):
    """What to train."""

    model_config = ConfigDict(extra="forbid")

    folder: str = Field(
        "",
        description="Labelled slices: a folder within the data roots of the server, as the page "
        "Train lists it.",
        max_length=1000,
        examples=["data/slices"],
    )
    dataset: str = Field(
        "", description="Instead of a folder: the id of an uploaded data set.", max_length=100
    )
    name: str = Field(
        "", description="Of the model; a free one like the folder's if empty.", max_length=80
    )
    note: str = Field("", description="Saved in the model card.", max_length=2000)
    augmentation: str = Field(
        "standard",
        description="A preset or a saved augmentation by name; of others as OWNER/NAME.",
        max_length=200,
    )
    settings: RunSettings = Field(default_factory=RunSettings)


class RunRecord(BaseModel):
    """A run, with the keys of `spinefrac runs list --json`; the folder as it is chosen."""

    id: str
    name: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    stage: str
    interrupted: bool
    cancelling: bool
    folder: str
    settings: dict[str, Any]
    note: str
    threshold_rule: str
    cluster: str | None
    parent: dict[str, Any] | None
    trained_by: str
    fingerprint: str
    images: int
    groups: int
    versions: dict[str, str]
    submitted: float
    queued: float
    started: float | None
    ended: float | None
    attempts: int
    model: str | None
    result: dict[str, Any] | None
    error: str | None
    error_kind: str | None
    seconds: float | None


class ProgressRecord(RunRecord):
    """A run with its progress, with the keys of `spinefrac runs show --json`."""

    folds: list[dict[str, Any]]
    share: float
    seconds_left: float | None
    position: int | None
    workers: list[dict[str, Any]]
    log: list[dict[str, Any]]
    runner: dict[str, Any] | None


@router.get(
    "",
    summary="List runs",
    response_model=list[RunRecord],
    dependencies=[Depends(require(Action.SEE_RUN))],
    responses=describe_responses(401, 403),
)
def list_runs() -> list[dict[str, Any]]:
    """List runs: training and queued ones in their order, then ended ones, newest first."""
    return [_describe(run) for run in live.list_runs()]


@router.post(
    "",
    status_code=201,
    summary="Train a model",
    response_model=RunRecord,
    responses=describe_responses(400, 401, 403, 409, 413, 422, 429),
)
def submit(
    body: RunRequestBody, caller: Annotated[Identity, Depends(require(Action.START_RUN))]
) -> dict[str, Any]:
    """Queue a run; it trains in a process of its own, one after the other."""
    roots = datasets.list_roots(caller)
    folder = _find_folder(body, caller, roots)
    chosen = body.settings.model_dump(exclude_unset=True)
    augmentation = presets.load(caller, body.augmentation)
    request = runs.RunRequest(
        folder,
        body.name,
        TrainingSettings().with_values({**chosen, "augmentation": augmentation}),
        note=body.note,
        trained_by=caller.owner,
        roots=roots,
        list_only=True,
    )
    _require_few_runs(request.trained_by)
    run = run_names.submit_with_free_name(request)
    live.forget()
    note(caller, Action.START_RUN, run.id)
    return _describe(run)


def _find_folder(
    body: RunRequestBody, caller: Identity, roots: tuple[FolderPath, ...]
) -> FolderPath:
    """Return the folder to train on."""
    if bool(body.folder) == bool(body.dataset):
        raise DatasetError("Expected either folder or dataset: name one of them")
    if body.dataset:
        return datasets.get(caller, body.dataset).folder
    return datasets.require_folder(caller, data_roots.resolve_folder(body.folder, roots))


def _require_few_runs(name: str) -> None:
    """Raise BudgetError where somebody has as many runs that wait or train as one may."""
    if not name:
        return
    own = sum(run.is_open and run.trained_by == name for run in runs.list_runs())
    if own >= budgets.RUNS.share:
        raise BudgetError(
            f"expected at most {budgets.RUNS.share} runs of one person that wait or train, got "
            f"one more; {budgets.RUNS.advice}"
        )


@router.get(
    "/{run_id}",
    summary="Show a run",
    response_model=ProgressRecord,
    dependencies=[Depends(require(Action.SEE_RUN))],
    responses=describe_responses(401, 403, 404),
)
def show_run(run_id: RunId) -> dict[str, Any]:
    """Return a run with its folds, workers and last log lines, at most a second old."""
    progress = live.get_progress(run_id)
    return {**_describe(progress.run), **json_records.describe_progress(progress)}


def get_run(run_id: RunId) -> Run:
    """Return a run before the answer begins, so that a missing one can still be a problem."""
    return runs.get_run(run_id)


@router.get(
    "/{run_id}/events",
    summary="Follow a run",
    response_class=EventSourceResponse,
    dependencies=[Depends(require(Action.SEE_RUN))],
    responses=describe_responses(401, 403, 404),
)
async def follow_run(
    run: Annotated[Run, Depends(get_run)],
    last_event_id: Annotated[int, Header(ge=0, le=2**53)] = 0,
) -> AsyncIterator[ServerSentEvent]:
    """Send the events of a run as they happen (server-sent events), until it has ended.

    The name of an event is its kind: state, log, epoch, fold or worker. Whoever comes back with
    `Last-Event-ID` misses none.
    """
    after = last_event_id
    while True:
        progress = await asyncio.to_thread(live.get_progress, run.id)
        if progress.last_event > after:
            for event in await asyncio.to_thread(runs.list_events, run.id, after):
                after = event.id
                yield ServerSentEvent(
                    event=event.kind, id=str(event.id), data=json_records.describe_event(event)
                )
        if not progress.run.is_open:
            return
        if progress.runner is None:
            await asyncio.to_thread(runs.ensure_runner)
        await asyncio.sleep(live.INTERVAL_S)


@router.post(
    "/{run_id}/cancel",
    summary="Cancel a run",
    response_model=RunRecord,
    responses=describe_responses(401, 403, 404, 409),
)
def cancel_run(run_id: RunId, caller: Caller) -> dict[str, Any]:
    """Cancel a run: at once where it is queued, within a batch where it trains."""
    return _change(caller, run_id, runs.cancel)


@router.post(
    "/{run_id}/resume",
    summary="Resume a run",
    response_model=RunRecord,
    responses=describe_responses(401, 403, 404, 409),
)
def resume_run(run_id: RunId, caller: Caller) -> dict[str, Any]:
    """Queue a cancelled or failed run again; it continues after its last checkpoint."""
    return _change(caller, run_id, runs.resume)


def _change(caller: Identity | None, run_id: str, change: Callable[[str], Run]) -> dict[str, Any]:
    """Change a run that the caller may change; nobody learns which runs there are without it."""
    policy.require(caller, Action.SEE_RUN)
    found = runs.get_run(run_id)
    identity = policy.require(caller, Action.CHANGE_RUN, owner=found.trained_by)
    changed = change(found.id)
    live.forget()
    note(identity, Action.CHANGE_RUN, found.id)
    return _describe(changed)


def _describe(run: Run) -> dict[str, Any]:
    """Return a run without what only the server's own people need: paths and certificates."""
    found = json_records.describe_run(run)
    folder = FolderPath(run.folder)
    found["folder"] = data_roots.display_path(folder, places.data_roots())
    if found["folder"] == str(folder):
        found["folder"] = folder.name
    found["cluster"] = run.cluster.address if run.cluster else None
    found["settings"] = json_records.replace_nan(run.settings.to_dict())
    return found
