"""A model's answers on many slices: over all cores, in order, each failing alone."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from spinefrac import imaging
from spinefrac.errors import ImageError
from spinefrac.evaluation import series_pooling
from spinefrac.imaging.series_grouping import SeriesSlice
from spinefrac.inference.predictor import Predictor
from spinefrac.records import CLASS_NAMES, InputCheck
from spinefrac.viz import heatmap

_CORES = os.cpu_count() or 1

# Shared by everybody who asks for many answers, so that two of them get half the cores each
# and a single slice of a third never waits behind more than what is being worked on.
_workers = ThreadPoolExecutor(_CORES, thread_name_prefix="many")

#: Slices a caller has handed to the workers ahead of what it has taken, at most.
_AHEAD = 2 * _CORES

#: Side of a thumbnail, in pixels.
THUMBNAIL = 96


@dataclass(frozen=True, slots=True)
class Answered:
    """A model's answer on one of many slices, without its pictures; or why there is none.

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
        The slice as a small WebP picture, empty where none was asked for.
    error : str
        One line, empty where there is an answer.
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
    def typical(self) -> bool:
        """Whether there is an answer, on a slice that is not known to be unlike training's."""
        return not self.error and (self.input_check is None or self.input_check.typical)


def answer(
    predictor: Predictor, slices: Iterable[SeriesSlice], *, thumbnails: bool = False
) -> Iterator[Answered]:
    """Answer on slices in their order; closing the iterator drops what has not begun.

    Parameters
    ----------
    predictor : Predictor
    slices : iterable of SeriesSlice
        Read and decoded by the workers, a few ahead of what was taken.
    thumbnails : bool
        Whether to draw each slice small too.

    Yields
    ------
    Answered
    """
    waiting: deque[Future[Answered]] = deque()
    remaining = iter(slices)
    try:
        for part in islice(remaining, _AHEAD):
            waiting.append(_workers.submit(_one, predictor, part, thumbnails))
        while waiting:
            found = waiting.popleft().result()
            for part in islice(remaining, 1):
                waiting.append(_workers.submit(_one, predictor, part, thumbnails))
            yield found
    finally:
        for future in waiting:
            future.cancel()


def _one(predictor: Predictor, part: SeriesSlice, thumbnail: bool) -> Answered:
    name = part.file.name if part.frame is None else f"{part.file.name} · {part.frame + 1}"
    try:
        ct = part.read()
    except ImageError as error:
        return Answered(name, error=" ".join(str(error).split()))
    prediction = predictor.predict(ct, heatmap=False)
    return Answered(
        name=name,
        probability=prediction.probability,
        threshold=prediction.threshold,
        fold_probabilities=prediction.fold_probabilities,
        input_check=prediction.input_check,
        milliseconds=prediction.milliseconds,
        thumbnail=heatmap.thumbnail(imaging.display(ct), THUMBNAIL) if thumbnail else b"",
    )


#: Ways to look at many answers, and which belong to each.
_FILTERS: dict[str, Callable[[Answered], bool]] = {
    "All": lambda one: True,
    "Fracture": lambda one: one.label == CLASS_NAMES[1],
    "No fracture": lambda one: one.label == CLASS_NAMES[0],
    "Untypical": lambda one: not one.error and not one.typical,
    "Unreadable": lambda one: bool(one.error),
}


def counts(answers: Sequence[Answered]) -> dict[str, int]:
    """Count the answers of each kind, ``All`` first; kinds without any are left out."""
    found = {name: sum(map(belongs, answers)) for name, belongs in _FILTERS.items()}
    return {name: count for name, count in found.items() if count or name == "All"}


def chosen(answers: Sequence[Answered], kind: str) -> list[int]:
    """Return the indices of one kind of answers, see `counts`."""
    belongs = _FILTERS.get(kind, _FILTERS["All"])
    return [index for index, one in enumerate(answers) if belongs(one)]


def as_record(model: str, answered: Answered) -> dict[str, Any]:
    """Return an answer as scripts read it, with the keys of ``spinefrac predict --json``."""
    if answered.error:
        return {"file": answered.name, "error": answered.error}
    return {
        "file": answered.name,
        "model": model,
        "probability": answered.probability,
        "label": answered.label,
        "threshold": answered.threshold,
        "input_check": asdict(answered.input_check) if answered.input_check else None,
        "milliseconds": round(answered.milliseconds, 2),
    }


def to_json(model: str, answers: Iterable[Answered]) -> str:
    """Return the answers as one JSON list of `as_record`."""
    return json.dumps([as_record(model, one) for one in answers], indent=2, allow_nan=False)


def to_csv(model: str, answers: Iterable[Answered]) -> str:
    """Return the answers as CSV, one row a slice, made safe for spreadsheets.

    A file name that begins like a formula gets an apostrophe before it.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(
        ("file", "model", "probability", "label", "threshold", "percentile", "typical", "reason",
         "error")
    )  # fmt: skip
    for one in answers:
        check = one.input_check
        name = f"'{one.name}" if one.name.startswith(("=", "+", "-", "@", "\t", "\r")) else one.name
        if one.error:
            writer.writerow((name, model, "", "", "", "", "", "", one.error))
            continue
        seen = (check.score, check.typical, check.reason) if check else ("", "", "")
        writer.writerow((name, model, one.probability, one.label, one.threshold, *seen, ""))
    return table.getvalue()


@dataclass(frozen=True)
class SeriesAnswer:
    """What a model says of a series, slice by slice and in one score.

    Attributes
    ----------
    model : str
    answers : tuple of Answered, length N
        In the order of the series.
    counted : bool array, shape (N,)
        Slices that the score is made of.
    score : float
        `series_score.pool` of the counted slices; NaN where there is none.
    peak : int
        Index of the slice in the middle of where the score is found; -1 where there is none.
    """

    model: str
    answers: tuple[Answered, ...] = field(repr=False)
    counted: npt.NDArray[np.bool_] = field(repr=False)
    score: float
    peak: int

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """Shape (N,), NaN where a slice could not be read."""
        return np.array([answered.probability for answered in self.answers])

    @property
    def errors(self) -> dict[int, str]:
        """Reason by index of the slices that could not be read."""
        return {i: answered.error for i, answered in enumerate(self.answers) if answered.error}

    def most_suspicious(self, most: int = 5, apart: int = 3) -> list[int]:
        """Return indices of the highest counted slices, at least `apart` slices apart."""
        scores = np.where(self.counted, self.probabilities, -1.0)
        found: list[int] = []
        for index in np.argsort(-scores, kind="stable").tolist():
            if len(found) == most or scores[index] < 0:
                break
            if all(abs(index - other) >= apart for other in found):
                found.append(index)
        return found


def series_answer(
    model: str, answers: Iterable[Answered], *, untypical_too: bool = False
) -> SeriesAnswer:
    """Put the answers on a series' slices together.

    Parameters
    ----------
    model : str
    answers : iterable of Answered
        In the order of the series.
    untypical_too : bool
        Whether slices unlike those the model was trained on count for the score. Without it
        they count only where there are no others.
    """
    answers = tuple(answers)
    probabilities = np.array([answered.probability for answered in answers])
    counted = np.isfinite(probabilities)
    typical = np.array([answered.typical for answered in answers], dtype=bool)
    if not untypical_too and (counted & typical).any():
        counted &= typical
    score, peak = series_pooling.pool(np.where(counted, probabilities, np.nan))
    return SeriesAnswer(model, answers, counted, score, peak)
