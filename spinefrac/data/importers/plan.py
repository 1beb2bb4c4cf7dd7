"""What an importer yields: slices to write, and files that it leaves out, each with why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

#: Left edge, top edge, width and height of a fracture, in the slice's own pixels.
Box = tuple[float, float, float, float]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Choice:
    """How much of a source to take.

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
class Planned:
    """A slice to write.

    Attributes
    ----------
    target : str
        Below ``OUT/slices``, with forward slashes.
    label : int
        Index into `CLASS_NAMES`.
    patient : str
    position : int
        Its place in the study.
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
class LeftOut:
    """Some slices or files that are not taken, and why: a phrase after their number."""

    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class Source:
    """A source: how many studies it has, and what each holds, in a fixed order."""

    studies: int
    steps: Iterable[Sequence[Planned | LeftOut]]


def thinned(rows: Sequence[_T], most: int | None) -> Iterator[_T]:
    """Yield at most so many rows, evenly spaced; all for None."""
    if most is None or len(rows) <= most:
        yield from rows
        return
    for n in range(most):
        yield rows[(2 * n + 1) * len(rows) // (2 * most)]
