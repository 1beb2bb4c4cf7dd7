"""Predictions on many slices: on all cores, in order; one that fails does not stop the others."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac import imaging, spreadsheets
from spinefrac.errors import ImageError
from spinefrac.evaluation import series_pooling
from spinefrac.imaging.series_grouping import SeriesSlice
from spinefrac.inference.predictor import Predictor
from spinefrac.records import CLASS_NAMES, InputCheck
from spinefrac.viz import heatmap

_CORES = os.cpu_count() or 1

# Shared by all callers: two of them get half the cores each, and a single slice of a third
# waits for no more than the slices in progress.
_executor = ThreadPoolExecutor(
    _CORES + 1,  # while a slice is decoded, in another process, its thread only waits
    thread_name_prefix="batch",
    initializer=lambda: cv2.setNumThreads(1),  # the slices are the parallelism
)

#: Slices that are read and predicted ahead of what the caller has consumed, at most.
_PREFETCH_COUNT = 2 * _CORES

#: Side of a thumbnail, in pixels.
THUMBNAIL_SIZE_PX = 96


@dataclass(frozen=True, slots=True)
class SlicePrediction:
    """The prediction of one of many slices, without images; or why there is none.

    Attributes
    ----------
    name : str
        The file's name, and the slice's number where the file holds several.
    probability, threshold : float
        NaN where there is an error.
    fold_probabilities : tuple of float
    input_check : InputCheck or None
    milliseconds : float
    thumbnail : bytes
        The slice as a small WebP image, empty where none was requested.
    error : str
        One line, empty where there is a prediction.
    """

    name: str
    probability: float = float("nan")
    threshold: float = float("nan")
    fold_probabilities: tuple[float, ...] = ()
    input_check: InputCheck | None = None
    milliseconds: float = 0.0
    thumbnail: bytes = field(default=b"", repr=False)
    error: str = ""

    @property
    def label(self) -> str:
        """``fracture``, ``no fracture``, or empty where there is an error."""
        return "" if self.error else CLASS_NAMES[int(self.probability >= self.threshold)]

    @property
    def is_usable(self) -> bool:
        """Whether there is a prediction, and the slice is not unlike the training slices."""
        return not self.error and (self.input_check is None or not self.input_check.is_unlike)

    @property
    def is_unusual(self) -> bool:
        """Whether there is a prediction, and the input check found the slice unusual."""
        return self.input_check is not None and self.input_check.is_unusual


def predict_slices(
    predictor: Predictor, slices: Iterable[SeriesSlice], *, with_thumbnails: bool = False
) -> Iterator[SlicePrediction]:
    """Predict slices in their order; closing the iterator cancels what has not started.

    Parameters
    ----------
    predictor : Predictor
    slices : iterable of SeriesSlice
        Read and decoded by the workers, a few ahead of the caller.
    with_thumbnails : bool
        Whether to make a thumbnail of each slice.

    Yields
    ------
    SlicePrediction
    """
    waiting: deque[Future[SlicePrediction]] = deque()
    remaining = iter(slices)
    try:
        for part in islice(remaining, _PREFETCH_COUNT):
            waiting.append(_executor.submit(_predict_one, predictor, part, with_thumbnails))
        while waiting:
            found = waiting.popleft().result()
            for part in islice(remaining, 1):
                waiting.append(_executor.submit(_predict_one, predictor, part, with_thumbnails))
            yield found
    finally:
        for future in waiting:
            future.cancel()


def _predict_one(
    predictor: Predictor, series_slice: SeriesSlice, with_thumbnail: bool
) -> SlicePrediction:
    name = (
        series_slice.file.name
        if series_slice.frame is None
        else f"{series_slice.file.name} · {series_slice.frame + 1}"
    )
    try:
        ct = series_slice.read()
    except ImageError as error:
        return SlicePrediction(name, error=" ".join(str(error).split()))
    prediction = predictor.predict(ct, heatmap=False)
    return SlicePrediction(
        name=name,
        probability=prediction.probability,
        threshold=prediction.threshold,
        fold_probabilities=prediction.fold_probabilities,
        input_check=prediction.input_check,
        milliseconds=prediction.milliseconds,
        thumbnail=heatmap.encode_thumbnail(imaging.to_display(ct), THUMBNAIL_SIZE_PX)
        if with_thumbnail
        else b"",
    )


#: Filters of predictions by name.
_PREDICTION_FILTERS: dict[str, Callable[[SlicePrediction], bool]] = {
    "All": lambda one: True,
    "Fracture": lambda one: one.label == CLASS_NAMES[1],
    "No fracture": lambda one: one.label == CLASS_NAMES[0],
    "Unusual": lambda one: one.is_unusual,
    "Unlike the training slices": lambda one: not one.error and not one.is_usable,
    "Unreadable": lambda one: bool(one.error),
}


def count_by_filter(predictions: Sequence[SlicePrediction]) -> dict[str, int]:
    """Count the predictions of each filter, ``All`` first; filters without any are left out."""
    found = {name: sum(map(belongs, predictions)) for name, belongs in _PREDICTION_FILTERS.items()}
    return {name: count for name, count in found.items() if count or name == "All"}


def filter_indices(predictions: Sequence[SlicePrediction], filter_name: str) -> list[int]:
    """Return the indices of the predictions of one filter, see `count_by_filter`."""
    belongs = _PREDICTION_FILTERS.get(filter_name, _PREDICTION_FILTERS["All"])
    return [index for index, one in enumerate(predictions) if belongs(one)]


def prediction_to_dict(model_id: str, prediction: SlicePrediction) -> dict[str, Any]:
    """Return a prediction with the keys of ``spinefrac predict --json``."""
    if prediction.error:
        return {"file": prediction.name, "error": prediction.error}
    return {
        "file": prediction.name,
        "model": model_id,
        "probability": prediction.probability,
        "label": prediction.label,
        "threshold": prediction.threshold,
        "input_check": asdict(prediction.input_check) if prediction.input_check else None,
        "milliseconds": round(prediction.milliseconds, 2),
    }


def to_json(model_id: str, predictions: Iterable[SlicePrediction]) -> str:
    """Return the predictions as one JSON list of `prediction_to_dict`."""
    return json.dumps(
        [prediction_to_dict(model_id, one) for one in predictions], indent=2, allow_nan=False
    )


def to_csv(model_id: str, predictions: Iterable[SlicePrediction]) -> str:
    """Return the predictions as CSV, one row a slice, safe for spreadsheets.

    A file name that starts like a formula gets an apostrophe in front.
    """
    titles = (
        "file", "model", "probability", "label", "threshold", "percentile", "typical", "reason",
        "grade", "error",
    )  # fmt: skip
    return spreadsheets.to_csv(titles, (_make_row(model_id, one) for one in predictions))


def _make_row(model_id: str, prediction: SlicePrediction) -> tuple[object, ...]:
    one, check = prediction, prediction.input_check
    if one.error:
        return (one.name, model_id, *("",) * 7, one.error)
    seen = (check.score, check.typical, check.reason, check.grade) if check else ("",) * 4
    return (one.name, model_id, one.probability, one.label, one.threshold, *seen, "")


@dataclass(frozen=True)
class SeriesPrediction:
    """The predictions of a series, slice by slice, and its score.

    Attributes
    ----------
    model : str
    predictions : tuple of SlicePrediction, length N
        In the order of the series.
    included : bool array, shape (N,)
        Slices that the score is computed from.
    score : float
        `series_pooling.pool_series` of the included slices; NaN where there is none.
    peak_index : int
        Index of the slice in the middle of the window with the score; -1 where there is none.
    """

    model: str
    predictions: tuple[SlicePrediction, ...] = field(repr=False)
    included: npt.NDArray[np.bool_] = field(repr=False)
    score: float
    peak_index: int

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """Shape (N,), NaN where a slice could not be read."""
        return np.array([one.probability for one in self.predictions])

    @property
    def errors(self) -> dict[int, str]:
        """Reason by index of the slices that could not be read."""
        return {i: one.error for i, one in enumerate(self.predictions) if one.error}

    def highest_slices(self, max_slices: int = 5, min_distance: int = 3) -> list[int]:
        """Return the included slices of highest probability, at least `min_distance` apart."""
        scores = np.where(self.included, self.probabilities, -1.0)
        found: list[int] = []
        for index in np.argsort(-scores, kind="stable").tolist():
            if len(found) == max_slices or scores[index] < 0:
                break
            if all(abs(index - other) >= min_distance for other in found):
                found.append(index)
        return found


def pool_series_predictions(
    model_id: str,
    predictions: Iterable[SlicePrediction],
    *,
    include_out_of_distribution: bool = False,
) -> SeriesPrediction:
    """Pool the predictions of the slices of a series.

    Parameters
    ----------
    model_id : str
    predictions : iterable of SlicePrediction
        In the order of the series.
    include_out_of_distribution : bool
        Whether slices out of distribution count for the score. If False, they count only where
        there are no others.
    """
    predictions = tuple(predictions)
    probabilities = np.array([one.probability for one in predictions])
    included = np.isfinite(probabilities)
    usable = np.array([one.is_usable for one in predictions], dtype=bool)
    if not include_out_of_distribution and (included & usable).any():
        included &= usable
    score, peak = series_pooling.pool_series(np.where(included, probabilities, np.nan))
    return SeriesPrediction(model_id, predictions, included, score, peak)
