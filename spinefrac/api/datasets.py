"""``/datasets``: upload a ZIP of class folders as a data set, and list what may be used."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, UploadFile
from pydantic import BaseModel

from spinefrac.access import datasets
from spinefrac.access.datasets import UploadResult
from spinefrac.access.policy import Action, Identity
from spinefrac.api.caller import note, require
from spinefrac.api.problems import FileProblem, describe_responses
from spinefrac.imaging import collect
from spinefrac.inference.json_records import describe_error
from spinefrac.system import budgets

router = APIRouter(prefix="/datasets", tags=["datasets"])


class DatasetRecord(BaseModel):
    """A data set that was uploaded."""

    id: str
    name: str
    owner: str
    shared: bool
    deidentified: bool
    created_at: str
    files: int
    bytes: int


class UploadRecord(DatasetRecord):
    """A new data set, and the files that are not in it."""

    left_out: list[FileProblem]


@router.get(
    "",
    summary="List data sets",
    response_model=list[DatasetRecord],
    responses=describe_responses(401, 403),
)
def list_datasets(
    caller: Annotated[Identity, Depends(require(Action.SEE_SHARED_DATASET))],
) -> list[dict[str, Any]]:
    """List the uploaded data sets that the caller may train on, own ones first."""
    return [asdict(one) for one in datasets.list_datasets(caller)]


@router.post(
    "",
    status_code=201,
    summary="Upload a data set",
    response_model=UploadRecord,
    responses=describe_responses(400, 401, 403, 413, 422, 429),
)
async def upload_dataset(
    caller: Annotated[Identity, Depends(require(Action.ADD_DATASET))],
    name: Annotated[str, Form(description="What to call it.", min_length=1, max_length=60)],
    files: Annotated[
        list[UploadFile],
        File(description="ZIPs of class folders: fracture/… and normal/…", min_length=1),
    ],
    deidentify: Annotated[
        bool, Form(description="Keep de-identified copies of the DICOM files, and nothing else.")
    ] = False,
) -> dict[str, Any]:
    """Save slices in class folders as a private data set; it is there as a whole or not at all.

    `POST /runs` trains on it by its id.
    """
    content = [(upload.filename or "file", await upload.read()) for upload in files]
    return await asyncio.to_thread(_add, caller, name, content, deidentify)


def _add(
    caller: Identity, name: str, content: list[tuple[str, bytes]], deidentify: bool
) -> dict[str, Any]:
    owner, key = f"rest:{caller.name}", object()
    budgets.FILES.hold(owner, key, sum(len(data) for _, data in content))
    try:
        sources = [collect.file_from_bytes(file, data, owner) for file, data in content]
        added = datasets.add(caller, name, sources, deidentify=deidentify)
    finally:
        budgets.FILES.release(owner, key)
    return describe_upload(caller, added)


def describe_upload(caller: Identity, added: UploadResult) -> dict[str, Any]:
    """Log a new data set, and return it as an `UploadRecord`."""
    note(caller, Action.ADD_DATASET, added.dataset.id)
    left_out = [describe_error(entry.path, entry.reason) for entry in added.left_out]
    return {**asdict(added.dataset), "left_out": left_out}
