"""``/uploads``: a data set in parts, each a ZIP, that goes on where it broke off."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field

from spinefrac.access import datasets, uploads
from spinefrac.access.policy import Action, Identity
from spinefrac.access.uploads import Upload
from spinefrac.api.caller import require
from spinefrac.api.datasets import UploadRecord, describe_upload
from spinefrac.api.problems import describe_responses

router = APIRouter(prefix="/uploads", tags=["datasets"])

Uploader = Annotated[Identity, Depends(require(Action.ADD_DATASET))]
UploadId = Annotated[str, Path(pattern="^[0-9a-f]{12}$", description="Of the upload.")]
Sha256 = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="Of the part, in hex.")]
_BINARY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class UploadBody(BaseModel):
    """What the parts become."""

    name: str = Field(
        description="What to call the data set.",
        min_length=1,
        max_length=datasets.MAX_NAME_LENGTH,
    )
    deidentify: bool = Field(
        False, description="Keep de-identified copies of the DICOM files, and nothing else."
    )


class PartRecord(BaseModel):
    """A part that is there."""

    sha256: str
    bytes: int


class UnfinishedRecord(BaseModel):
    """An upload with the parts that are there."""

    id: str
    name: str
    deidentify: bool
    created_at: str
    parts: list[PartRecord]


def _describe(upload: Upload) -> dict[str, Any]:
    parts = [{"sha256": name, "bytes": size} for name, size in upload.list_parts().items()]
    return {
        "id": upload.id,
        "name": upload.name,
        "deidentify": upload.deidentify,
        "created_at": upload.created_at,
        "parts": parts,
    }


@router.post(
    "",
    status_code=201,
    summary="Begin an upload in parts",
    response_model=UnfinishedRecord,
    responses=describe_responses(400, 401, 403, 413, 422, 429),
)
def start(body: UploadBody, caller: Uploader) -> dict[str, Any]:
    """Begin a data set that is sent in parts; unfinished it is kept for a week."""
    return _describe(uploads.start(caller, body.name, deidentify=body.deidentify))


@router.get(
    "/{upload_id}",
    summary="See which parts are there",
    response_model=UnfinishedRecord,
    responses=describe_responses(401, 403, 404, 422),
)
def show(upload_id: UploadId, caller: Uploader) -> dict[str, Any]:
    """Return the parts that have arrived: those that are missing can be sent again."""
    return _describe(uploads.get(caller, upload_id))


@router.put(
    "/{upload_id}/parts/{sha256}",
    summary="Send a part",
    response_model=UnfinishedRecord,
    responses=describe_responses(400, 401, 403, 404, 413, 422, 429),
    openapi_extra=_BINARY,
)
async def put_part(
    upload_id: UploadId, sha256: Sha256, request: Request, caller: Uploader
) -> dict[str, Any]:
    """Keep a ZIP of class folders, as the body of the request; sent twice it is kept once."""
    content = await request.body()
    upload = await asyncio.to_thread(uploads.add_part, caller, upload_id, sha256, content)
    return _describe(upload)


@router.post(
    "/{upload_id}/finish",
    status_code=201,
    summary="Make a data set of the parts",
    response_model=UploadRecord,
    responses=describe_responses(401, 403, 404, 413, 422, 429),
)
def finish(upload_id: UploadId, caller: Uploader) -> dict[str, Any]:
    """Save the slices of all parts as a private data set; where that fails, the parts stay."""
    return describe_upload(caller, uploads.finish(caller, upload_id))


@router.delete(
    "/{upload_id}",
    status_code=204,
    summary="Discard an upload",
    response_model=None,
    responses=describe_responses(401, 403, 404, 422),
)
def discard(upload_id: UploadId, caller: Uploader) -> None:
    """Remove an unfinished upload with its parts."""
    uploads.discard(caller, upload_id)
