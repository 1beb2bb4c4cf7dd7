"""What an importer yields: slices to write, and the slices that it leaves out with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from spinefrac.errors import ImageError

#: Left edge, top edge, width and height of a fracture, in the slice's own pixels.
Box = tuple[float, float, float, float]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ImportSelection:
    """How much of a source to import.

    Attributes
    ----------
    studies : int or None
        Studies or volumes to draw at random, half of them with a fracture as far as there are.
    per_study : int or None
        Slices of each class of a study, evenly spaced.
    seed : int
        Of the draw of studies.
    outside : bool
        Whether slices of fractured studies outside any box count as normal.
    """

    studies: int | None = None
    per_study: int | None = None
    seed: int = 0
    outside: bool = False


@dataclass(frozen=True, slots=True)
class PlannedSlice:
    """A slice to write.

    Attributes
    ----------
    target : str
        Below ``OUT/slices``, with forward slashes.
    label : int
        Index into `CLASS_NAMES`.
    patient : str
    position : int
        Its position in the study.
    boxes : tuple of Box
        Fractures in it.
    write : callable
        Writes it to the path it is given.
    """

    target: str
    label: int
    patient: str
    position: int
    boxes: tuple[Box, ...]
    write: Callable[[Path], object]


@dataclass(frozen=True, slots=True)
class SkippedSlices:
    """Slices or files that are left out, and why: a phrase after their number."""

    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """A source: how many studies it has, and what each holds, in a fixed order.

    `notes` say what people should know of how it is read.
    """

    study_count: int
    entries_by_study: Iterable[Sequence[PlannedSlice | SkippedSlices]]
    notes: tuple[str, ...] = ()


def copy_file(source: Path, target: Path) -> None:
    """Copy a slice as it is.

    Raises
    ------
    ImageError
        If it is empty or cannot be read; what the target raises is passed on.
    """
    try:
        content = source.read_bytes()
    except OSError as error:
        raise ImageError(f"{source.name}: {error.strerror or 'an input error'}") from error
    if not content:
        raise ImageError(f"{source.name}: an empty file")
    target.write_bytes(content)


def sample_evenly(rows: Sequence[_T], max_rows: int | None) -> Iterator[_T]:
    """Yield at most so many rows, evenly spaced; all for None."""
    if max_rows is None or len(rows) <= max_rows:
        yield from rows
        return
    for n in range(max_rows):
        yield rows[(2 * n + 1) * len(rows) // (2 * max_rows)]
