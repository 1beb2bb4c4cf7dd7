"""Findings about a series: what its reader should know about gaps, spacing and tilt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinefrac.imaging.geometry import SliceGeometry
from spinefrac.wording import format_count

#: Positions nearer than this are the same, in millimetres.
SAME_POSITION_MM = 0.01

#: Factor of the usual distance of slices from which slices are missing in between.
_GAP_FACTOR = 1.5

#: Steps may differ from the usual one by this share before they count as uneven.
_SPACING_TOLERANCE = 0.1

#: Angle between the direction from slice to slice and the slice normal that is a tilt, degrees.
_MIN_TILT_DEGREES = 0.5


@dataclass(frozen=True, slots=True)
class SeriesFinding:
    """A finding about a series that its reader should know, in one sentence.

    `code` is one of ``missing``, ``uneven``, ``repeated``, ``tilt``, ``split``, ``unplaced``,
    ``unnamed``, ``localizer``, ``plane``; `slices` are the numbers (from 1) it is about.
    """

    code: str
    message: str
    slices: tuple[int, ...] = ()


def find_split_findings(
    geometry: SliceGeometry, other_geometry: int, other_acquisition: int
) -> list[SeriesFinding]:
    """Find slices of one series UID that do not belong together, from how many there are."""
    if geometry.is_localizer:
        return [
            SeriesFinding("localizer", "These are localizers (scout views), not slices to read.")
        ]
    return [
        SeriesFinding(
            "split",
            f"The same series also holds {format_count(count, 'slice')} of another {difference}; "
            "they are a series of their own.",
        )
        for count, difference in (
            (other_geometry, "orientation, size or spacing"),
            (other_acquisition, "acquisition, phase or reconstruction at the same place"),
        )
        if count
    ]


def find_plane_findings(geometry: SliceGeometry) -> list[SeriesFinding]:
    """Find slices of another plane than that which models are usually trained on."""
    if geometry.is_localizer or geometry.plane in ("", "axial"):
        return []
    return [
        SeriesFinding(
            "plane",
            f"The slices are {geometry.plane}: a model that was trained on axial slices does not "
            "fit them.",
        )
    ]


def find_spacing_findings(steps: np.ndarray, step: float | None) -> list[SeriesFinding]:
    """Find repeated positions, gaps and uneven distances.

    Parameters
    ----------
    steps : float array, shape (N - 1,)
        Distances of neighbours along the normal, in order, millimetres.
    step : float or None
        The usual distance, None where all positions are the same.
    """
    findings = []
    same = np.flatnonzero(steps <= SAME_POSITION_MM)
    if same.size:
        findings.append(
            SeriesFinding(
                "repeated",
                f"{format_count(same.size, 'slice has', 'slices have')} the position of another "
                "slice: two scans or two phases may be mixed.",
                tuple((same + 2).tolist()),
            )
        )
    if step is None:
        return findings
    gaps = np.flatnonzero(steps > _GAP_FACTOR * step)
    if gaps.size:
        missing = sum(max(round(steps[gap] / step) - 1, 1) for gap in gaps.tolist())
        where = ", ".join(
            f"{gap + 1} and {gap + 2} ({steps[gap]:.1f} mm apart)" for gap in gaps[:3].tolist()
        )
        more = f" and in {gaps.size - 3} more geometries" if gaps.size > 3 else ""
        findings.append(
            SeriesFinding(
                "missing",
                f"About {format_count(missing, 'slice is', 'slices are')} missing between "
                f"{where}{more}; a fracture there would be missed.",
                tuple((gaps + 1).tolist()),
            )
        )
    usual = steps[(steps > SAME_POSITION_MM) & (steps <= _GAP_FACTOR * step)]
    if (
        usual.size
        and float(np.abs(usual - step).max()) > _SPACING_TOLERANCE * step + SAME_POSITION_MM
    ):
        findings.append(
            SeriesFinding(
                "uneven",
                f"Distances between slices vary from {usual.min():.2f} to {usual.max():.2f} mm.",
            )
        )
    return findings


def find_tilt_findings(first: SliceGeometry, last: SliceGeometry) -> list[SeriesFinding]:
    """Compare the direction from the first slice to the last with the normal and the header."""
    way = np.subtract(last.position_mm or (0, 0, 0), first.position_mm or (0, 0, 0))
    length = float(np.linalg.norm(way))
    shear = 0.0
    if length > SAME_POSITION_MM and first.normal:
        cosine = abs(float(way @ np.array(first.normal))) / length
        shear = float(np.degrees(np.arccos(min(cosine, 1.0))))
    if shear > _MIN_TILT_DEGREES:
        return [
            SeriesFinding(
                "tilt",
                f"The gantry was tilted by {shear:.1f}°: each slice is correct, but the slices "
                "are shifted against each other.",
            )
        ]
    stated = abs(first.gantry_tilt_degrees or 0.0)
    if stated > _MIN_TILT_DEGREES:
        return [
            SeriesFinding(
                "tilt",
                f"The files state a gantry tilt of {stated:.1f}°, though the slices are not "
                "shifted against each other: the tilt may have been corrected.",
            )
        ]
    return []
