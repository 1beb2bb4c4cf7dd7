"""The order of the slices of a series: by position, then by number, then by natural name.

Everything that puts slices in order does it here. This module imports nothing of spinefrac;
every other module may import it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

#: Decimals of a position in millimetres that scanners keep; less is the same position.
_POSITION_DECIMALS = 3


@dataclass(frozen=True, slots=True)
class SlicePlace:
    """What is known of a slice's place in its series.

    Attributes
    ----------
    name : str
        Of its file, with the folders that tell series apart.
    position_mm : float or None
        Along the normal of the slices.
    number : float or None
        Position in any unit: InstanceNumber, the index in a volume, a column of a table.
    frame : int
        Index in a file of several slices.
    """

    name: str
    position_mm: float | None = None
    number: float | None = None
    frame: int = 0


def natural_sort_key(name: str) -> tuple[list[tuple[int, int | str]], str]:
    """Return a key that sorts ``2.dcm`` before ``10.dcm``.

    >>> sorted(["10.dcm", "2.dcm", "1.dcm"], key=natural_sort_key)
    ['1.dcm', '2.dcm', '10.dcm']
    """
    parts: list[tuple[int, int | str]] = [
        (0, int(part)) if part.isdecimal() and len(part) < 40 else (1, part.lower())
        for part in re.split(r"(\d+)", name)
        if part
    ]
    return parts, name


def order_slices(places: Sequence[SlicePlace]) -> list[int]:
    """Return the indices of the slices of one series in their order.

    Positions count only where every slice has one. Slices of one position, and all slices
    where positions do not count, are in order of their numbers, those without one last; what is
    left is in order of the frame and the natural name.

    >>> order_slices([SlicePlace("10.dcm"), SlicePlace("9.dcm"), SlicePlace("1.dcm")])
    [2, 1, 0]
    """
    positioned = all(place.position_mm is not None for place in places)

    def key(index: int) -> tuple[object, ...]:
        place = places[index]
        position = round(place.position_mm or 0.0, _POSITION_DECIMALS) if positioned else 0.0
        unnumbered = place.number is None
        return position, unnumbered, place.number or 0, place.frame, natural_sort_key(place.name)

    return sorted(range(len(places)), key=key)
