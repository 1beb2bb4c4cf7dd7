"""Which slices of one series UID can be stacked: those of one geometry and one acquisition."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from spinefrac.imaging.geometry import ACQUISITION_WORDS, SliceGeometry, Vector

#: Direction cosines may differ by this much, spacings by this share: what rounding and
#: resampling leave, and far less than what sets two reconstructions apart.
_COSINE_TOLERANCE, _SPACING_TOLERANCE = 0.01, 0.01


@dataclass(frozen=True, slots=True)
class Stack:
    """Slices that can be stacked, as rows of the given geometries.

    `acquisition` says in words which one they are of, where the series holds several; empty
    otherwise.
    """

    rows: tuple[int, ...]
    acquisition: str = ""


def split_series(geometries: Sequence[SliceGeometry]) -> list[list[Stack]]:
    """Split slices of one series UID.

    Parameters
    ----------
    geometries : sequence of SliceGeometry

    Returns
    -------
    list of list of Stack
        One list a geometry, those of most slices first; in it one stack an acquisition.
    """
    clusters: list[list[int]] = []
    for row, geometry in enumerate(geometries):
        for rows in clusters:
            if _is_same_geometry(geometries[rows[0]], geometry):
                rows.append(row)
                break
        else:
            clusters.append([row])
    clusters.sort(key=len, reverse=True)
    return [_split_acquisitions(geometries, Stack(tuple(rows))) for rows in clusters]


def compute_positions_mm(geometries: Sequence[SliceGeometry]) -> list[float] | None:
    """Return the positions of slices along one normal, that of the first.

    None where one has no position. Normals that differ by rounding would shift slices far from
    the origin against each other.
    """
    normal = geometries[0].normal
    if normal is None:
        return None
    places = [geometry.position_mm for geometry in geometries]
    known = [place for place in places if place is not None]
    return [_project(normal, place) for place in known] if len(known) == len(places) else None


def _project(normal: Vector, position: Vector) -> float:
    return float(np.dot(normal, position))


def _is_same_geometry(one: SliceGeometry, other: SliceGeometry) -> bool:
    if (one.rows, one.columns, one.is_localizer) != (other.rows, other.columns, other.is_localizer):
        return False
    for first, second in (
        (one.row_cosines, other.row_cosines),
        (one.column_cosines, other.column_cosines),
    ):
        if (first is None) != (second is None):
            return False
        if first and second and not np.allclose(first, second, rtol=0, atol=_COSINE_TOLERANCE):
            return False
    if one.spacing_mm is None or other.spacing_mm is None:
        return one.spacing_mm == other.spacing_mm
    return np.allclose(one.spacing_mm, other.spacing_mm, rtol=_SPACING_TOLERANCE)


def _split_acquisitions(
    geometries: Sequence[SliceGeometry], stack: Stack, first_property: int = 0
) -> list[Stack]:
    """Split slices of one geometry by what sets acquisitions apart, one property after the other.

    A property counts only where its values share a stretch of the body: scanners that move the
    table step by step number every step as an acquisition of its own.
    """
    positions = compute_positions_mm([geometries[row] for row in stack.rows])
    if positions is None:
        return [stack]
    place = dict(zip(stack.rows, positions, strict=True))
    for index in range(first_property, len(ACQUISITION_WORDS)):
        parts: dict[str, list[int]] = defaultdict(list)
        for row in stack.rows:
            values = geometries[row].acquisition
            parts[values[index] if index < len(values) else ""].append(row)
        ranges = sorted(
            (min(place[row] for row in rows), max(place[row] for row in rows))
            for rows in parts.values()
        )
        share = any(low < high for (_, high), (low, _) in itertools.pairwise(ranges))
        if len(parts) > 1 and share and min(map(len, parts.values())) > 1:
            return [
                split
                for value, rows in parts.items()
                for split in _split_acquisitions(
                    geometries,
                    replace(stack, rows=tuple(rows), acquisition=_describe(stack, index, value)),
                    index + 1,
                )
            ]
    return [stack]


def _describe(stack: Stack, index: int, value: str) -> str:
    words = f"{ACQUISITION_WORDS[index]} {value or 'not stated'}"
    return f"{stack.acquisition}, {words}" if stack.acquisition else words
