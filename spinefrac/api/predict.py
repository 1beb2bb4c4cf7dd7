"""``POST /predict``: a saved model's predictions on files that come with the request."""

from __future__ import annotations

import asyncio
import base64
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Response, UploadFile
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from spinefrac.access.identify import Connection
from spinefrac.access.policy import Action
from spinefrac.api import caller, figures, models
from spinefrac.api.caller import Asking
from spinefrac.api.problems import FileProblem, NoPredictionError, describe_responses
from spinefrac.errors import BusyError, ImageError, ModelError
from spinefrac.imaging import collect, decoder_pool
from spinefrac.imaging.collect import SourceFile
from spinefrac.imaging.series_grouping import SeriesGrouping, group_into_series
from spinefrac.inference import batch, json_records
from spinefrac.inference.predictor import Predictor, get_predictor
from spinefrac.records import CtSlice, Prediction
from spinefrac.system import budgets

router = APIRouter(tags=["predict"])

_CORES = os.cpu_count() or 1
#: Requests that are worked on at the same time; more would not be faster.
_executor = ThreadPoolExecutor(_CORES + 2, thread_name_prefix="rest")
#: Requests that wait or are worked on, at most; the next ones are asked to come back.
MAX_REQUESTS = 64
_places = threading.BoundedSemaphore(MAX_REQUESTS)

#: Files of one request.
MAX_FILES = 1000


class NearestRecord(BaseModel):
    """A training slice that resembles a slice; patients are numbered within the model."""

    patient: int
    label: int
    probability: float
    distance: float


class InputCheckRecord(BaseModel):
    """Comparison of a slice with the training slices."""

    score: float
    typical: bool
    reason: str
    grade: Literal["like", "unusual", "unlike"]
    nearest: list[NearestRecord]


class SliceRecord(BaseModel):
    """The prediction of one slice, with the keys of `spinefrac predict --json`."""

    model_config = ConfigDict(extra="forbid")

    file: str
    model: str
    probability: float = Field(ge=0, le=1)
    label: str
    threshold: float
    input_check: InputCheckRecord | None
    milliseconds: float
    audit_verdict: str | None = None
    plane: str | None = None
    slice: int | None = None
    heatmap: str | None = Field(
        None, description="The slice with its heat map: a PNG as a data: address, where requested."
    )


class SuspiciousSlice(BaseModel):
    """One of the slices of highest probability of a series."""

    slice: int
    file: str
    position_mm: float | None = None
    probability: float


class SeriesFindingRecord(BaseModel):
    """What was noticed about a series."""

    code: str
    message: str


class UnreadableSlice(BaseModel):
    """A slice of a series that could not be read."""

    slice: int
    reason: str


class SeriesRecord(BaseModel):
    """The prediction of a series, with the keys of `spinefrac predict --series --json`."""

    model_config = ConfigDict(extra="forbid")

    file: str
    series: str
    model: str
    slices: int
    counted: int
    score: float | None
    label: str | None
    threshold: float | None
    most_suspicious: list[SuspiciousSlice]
    probabilities: list[float | None]
    findings: list[SeriesFindingRecord]
    unreadable: list[UnreadableSlice]


@dataclass(frozen=True, slots=True)
class Request:
    """What one request asks for.

    Attributes
    ----------
    predictor : Predictor
    files : list of SourceFile
    owner : str
        For budgets and decoders.
    heatmap, series : bool
    """

    predictor: Predictor
    files: list[SourceFile]
    owner: str
    heatmap: bool
    series: bool


_Files = Annotated[
    list[UploadFile],
    File(
        min_length=1,
        max_length=MAX_FILES,
        description="DICOM, PNG, JPEG, TIFF, BMP, NIfTI (its middle slice), or ZIPs of them.",
    ),
]
_Model = Annotated[
    str | None,
    Form(description="Id of a saved model; the default one if not given.", max_length=100),
]


@router.post(
    "/predict",
    summary="Predict the probability of a fracture for each slice",
    response_model=list[SliceRecord | SeriesRecord | FileProblem],
    response_model_exclude_none=True,
    responses=describe_responses(400, 401, 403, 404, 409, 413, 422, 429),
)
async def predict(
    connection: Asking,
    files: _Files,
    model: _Model = None,
    heatmap: Annotated[
        bool, Form(description="Add each slice with its heat map, as a PNG in `heatmap`.")
    ] = False,
    series: Annotated[
        bool, Form(description="Predict series instead of slices: one object a series.")
    ] = False,
) -> Response:
    """Predict on one or many files, a series or a ZIP. Not a medical device.

    The answer is a list in the order of the files. A file that cannot be read has `error` in
    place of a prediction; where no file can be read, the answer is a problem with status 422.
    Nothing is kept of what was sent.
    """
    content = [(upload.filename or "file", await upload.read()) for upload in files]
    found = await _work(_answer, connection, content, model, heatmap, series)
    return JSONResponse(found)


@router.post(
    "/predict/heatmap",
    summary="Return one slice with its heat map, as a PNG",
    response_class=Response,
    responses={
        200: {
            "description": "The slice with its heat map",
            "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
        },
        **describe_responses(400, 401, 403, 404, 409, 413, 422, 429),
    },
)
async def draw_heatmap(
    connection: Asking,
    file: Annotated[UploadFile, File(description="One slice, as for `/predict`; no ZIP.")],
    model: _Model = None,
) -> Response:
    """Return one slice with its heat map, as a PNG in the size of the slice."""
    content = [(file.filename or "file", await file.read())]
    png, probability = await _work(_draw, connection, content, model)
    return Response(png, media_type="image/png", headers={"X-Probability": f"{probability:.6f}"})


async def _work(function: Any, *args: Any) -> Any:
    """Run a function in the pool; refuse it where too many wait already."""
    if not _places.acquire(blocking=False):
        raise BusyError(
            f"expected at most {MAX_REQUESTS} requests at the same time on this server, got one "
            "more; try again in a moment"
        )
    started = time.perf_counter()
    try:
        return await asyncio.get_running_loop().run_in_executor(_executor, function, *args)
    finally:
        _places.release()
        figures.PREDICT_SECONDS.observe(time.perf_counter() - started)


def _prepare(
    connection: Connection,
    content: list[tuple[str, bytes]],
    model: str | None,
    heatmap: bool,
    series: bool,
) -> Request:
    """Check who asks and for what, and count what came."""
    identity = caller.identify_caller(connection)
    identity, model_id = models.require_model(identity, Action.PREDICT, model)
    predictor = get_predictor(model_id)
    if heatmap and predictor.model.card.heatmap == "none":
        raise ModelError(
            "This model has no heat map, because its network was not built for one: leave "
            "heatmap out, or choose a model that was trained with spinefrac"
        )
    owner = f"rest:{identity.name}"
    files = [collect.file_from_bytes(name, data, owner) for name, data in content]
    return Request(predictor, files, owner, heatmap, series)


def _answer(
    connection: Connection,
    content: list[tuple[str, bytes]],
    model: str | None,
    heatmap: bool,
    series: bool,
) -> list[dict[str, Any]]:
    """Return one object a slice or series, and one a file that cannot be read."""
    request = _prepare(connection, content, model, heatmap, series)
    key = object()
    budgets.FILES.hold(request.owner, key, sum(len(data) for _, data in content))
    try:
        found = list(_predict_series(request) if series else _predict_slices(request))
    finally:
        budgets.FILES.release(request.owner, key)
    errors = [one for one in found if "error" in one]
    figures.SLICES.labels("unreadable").inc(len(errors))
    figures.SLICES.labels("predicted").inc(len(found) - len(errors))
    if len(errors) == len(found):
        raise NoPredictionError(
            "Expected at least one slice that can be read, got none: `files` say why",
            [FileProblem(**one) for one in errors],
        )
    return found


def _draw(
    connection: Connection, content: list[tuple[str, bytes]], model: str | None
) -> tuple[bytes, float]:
    request = _prepare(connection, content, model, True, False)
    ct = _read(request, request.files[0])
    prediction = request.predictor.predict(ct)
    figures.SLICES.labels("predicted").inc()
    return draw_png(ct, prediction), prediction.probability


def draw_png(ct: CtSlice, prediction: Prediction) -> bytes:
    """Return a slice with its heat map as a PNG."""
    import cv2

    from spinefrac import imaging
    from spinefrac.viz import heatmap

    assert prediction.heatmap is not None  # `_prepare` has refused
    image = heatmap.overlay_heatmap(imaging.to_display(ct), prediction.heatmap)
    _, png = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return png.tobytes()


def _read(request: Request, file: SourceFile) -> CtSlice:
    ct = decoder_pool.read(file.locate(), name=file.name, owner=request.owner)
    budgets.SLICES.hold_for(ct.pixels, request.owner, ct.pixels.nbytes)
    return ct


def _predict_slices(request: Request) -> Iterator[dict[str, Any]]:
    for file in request.files:
        if collect.is_zip(file):
            yield from _predict_zip(request, file)
            continue
        try:
            ct = _read(request, file)
        except ImageError as error:
            yield json_records.describe_error(file.name, str(error))
            continue
        yield _predict_slice(request, ct, file.name)


def _predict_slice(request: Request, ct: CtSlice, name: str) -> dict[str, Any]:
    prediction = request.predictor.predict(ct, heatmap=request.heatmap)
    found = json_records.describe_slice(request.predictor.model, ct, prediction, name)
    if request.heatmap:
        png = base64.b64encode(draw_png(ct, prediction)).decode()
        found["heatmap"] = f"data:image/png;base64,{png}"
    return found


def _predict_zip(request: Request, file: SourceFile) -> Iterator[dict[str, Any]]:
    """Yield one object a slice of a ZIP; series in order of position."""
    try:
        found = _open(file)
    except ImageError as error:
        yield json_records.describe_error(file.name, str(error))
        return
    parts = [part for one in found.series for part in one.slices] + list(found.single_slices)
    if request.heatmap:
        for part in parts:
            try:
                ct = part.read()
            except ImageError as error:
                yield json_records.describe_error(part.file.name, str(error))
                continue
            record = _predict_slice(request, ct, part.file.name)
            yield record | json_records.get_slice_number(part)
    else:
        predictions = batch.predict_slices(request.predictor, parts)
        for part, one in zip(parts, predictions, strict=True):
            yield json_records.describe_part(request.predictor.model, part, one)
    for entry in found.unreadable:
        yield json_records.describe_error(entry.path, entry.reason)


def _open(file: SourceFile) -> SeriesGrouping:
    """Return the series of a ZIP, and what in it cannot be read."""
    inside = collect.open_zip(file)
    found = group_into_series(inside.files)
    unreadable = (*inside.unreadable, *found.unreadable)
    if not found.series and not found.single_slices and not unreadable:
        raise ImageError(f"{file.name}: expected slices in the ZIP, got none; send another file")
    return SeriesGrouping(found.series, found.single_slices, unreadable)


def _predict_series(request: Request) -> Iterator[dict[str, Any]]:
    """Yield one object a series: of each ZIP, and of the files that came beside ZIPs."""
    threshold = json_records.find_series_threshold(request.predictor.model)
    zips = [file for file in request.files if collect.is_zip(file)]
    others = [file for file in request.files if file not in zips]
    for file in zips:
        try:
            found = _open(file)
        except ImageError as error:
            yield json_records.describe_error(file.name, str(error))
            continue
        yield from _describe_found(request, file.name, found, threshold)
    if others:
        found = group_into_series(others)
        yield from _describe_found(request, others[0].name, found, threshold)


def _describe_found(
    request: Request, name: str, found: SeriesGrouping, threshold: float | None
) -> Iterator[dict[str, Any]]:
    for series in found.series:
        predictions = batch.predict_slices(request.predictor, series.slices)
        yield json_records.describe_series(request.predictor, name, series, predictions, threshold)
    for part in found.single_slices:
        yield json_records.describe_error(
            part.file.name, "belongs to no series; leave series out to predict each slice"
        )
    for entry in found.unreadable:
        yield json_records.describe_error(entry.path, entry.reason)
