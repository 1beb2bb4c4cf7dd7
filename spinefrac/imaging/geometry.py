"""Position and orientation of a slice in the patient, from its header.

Coordinates are DICOM's (PS3.3, C.7.6.2.1.1): millimetres, x towards the patient's left, y
towards the back, z towards the head.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from spinefrac.imaging.formats.dicom_header import (
    name_plane,
    read_header_elements,
    to_float,
    to_int,
    to_list,
)
from spinefrac.imaging.limits import check_frame_count

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Vector = tuple[float, float, float]

#: Letters of the patient's sides, towards - and + of x, y and z (PS3.3, C.7.6.1.1.1).
_DIRECTION_LETTERS = (("R", "L"), ("A", "P"), ("F", "H"))

#: What sets apart images of one place in one series, and what to call it: scans repeated in time,
#: reconstructions, energies.
_ACQUISITION_ELEMENTS = {
    "AcquisitionNumber": "acquisition",
    "TemporalPositionIdentifier": "phase",
    "ConvolutionKernel": "kernel",
    "KVP": "kV",
    "ImageType": "image type",
}
ACQUISITION_WORDS = tuple(_ACQUISITION_ELEMENTS.values())

#: Elements that hold the position of a slice; nothing that names the patient is among them.
_GEOMETRY_TAGS = (
    0x00080008,  # ImageType
    0x00080018,  # SOPInstanceUID
    0x00180050,  # SliceThickness
    0x00180060,  # KVP
    0x00181120,  # GantryDetectorTilt
    0x00181210,  # ConvolutionKernel
    0x0020000D,  # StudyInstanceUID
    0x0020000E,  # SeriesInstanceUID
    0x00200011,  # SeriesNumber
    0x00200012,  # AcquisitionNumber
    0x00200013,  # InstanceNumber
    0x00200032,  # ImagePositionPatient
    0x00200037,  # ImageOrientationPatient
    0x00200100,  # TemporalPositionIdentifier
    0x00280008,  # NumberOfFrames
    0x00280010,  # Rows
    0x00280011,  # Columns
    0x00280030,  # PixelSpacing
    0x52009229,  # SharedFunctionalGroupsSequence
    0x52009230,  # PerFrameFunctionalGroupsSequence
)


@dataclass(frozen=True, slots=True)
class SliceGeometry:
    """Position and identifiers of one slice; what is unknown is empty.

    Attributes
    ----------
    position_mm : (x, y, z) or None
        Centre of the first pixel, top left.
    row_cosines, column_cosines : (x, y, z) or None
        Unit vectors along a row to the right, and along a column downwards.
    spacing_mm : (row, column) or None
    thickness_mm, gantry_tilt_degrees : float or None
        Slice thickness, and the tilt of the gantry as the header states it.
    rows, columns : int
    study_instance_uid, series_instance_uid, sop_instance_uid : str
        UIDs of study, series and image.
    instance_number : int or None
        InstanceNumber.
    series_number : str
        SeriesNumber in digits; some programs write more of them than the standard allows.
    is_localizer : bool
        Whether the image is a localizer (scout view).
    acquisition : tuple of str
        Values of `ACQUISITION_WORDS`, in this order; empty where one is not stated.
    """

    position_mm: Vector | None = None
    row_cosines: Vector | None = None
    column_cosines: Vector | None = None
    spacing_mm: tuple[float, float] | None = None
    thickness_mm: float | None = None
    gantry_tilt_degrees: float | None = None
    rows: int = 0
    columns: int = 0
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    sop_instance_uid: str = ""
    instance_number: int | None = None
    series_number: str = ""
    is_localizer: bool = False
    acquisition: tuple[str, ...] = ()

    @property
    def normal(self) -> Vector | None:
        """Unit vector perpendicular to the slice: towards the head for a usual axial slice."""
        if self.row_cosines is None or self.column_cosines is None:
            return None
        # Written out: NumPy takes a hundred times as long, and a file may have 10,000 frames.
        (a, b, c), (d, e, f) = self.row_cosines, self.column_cosines
        return b * f - c * e, c * d - a * f, a * e - b * d

    @property
    def position_along_normal_mm(self) -> float | None:
        """Position along the normal, in millimetres."""
        normal = self.normal
        if normal is None or self.position_mm is None:
            return None
        return sum(part * place for part, place in zip(normal, self.position_mm, strict=True))

    @property
    def orientation_letters(self) -> tuple[str, str, str, str]:
        """Sides of the patient at the left, right, top and bottom edge.

        R, L, A, P, F and H, as in DICOM; two letters where a slice is oblique; empty where
        the orientation is unknown.
        """
        if self.row_cosines is None or self.column_cosines is None:
            return "", "", "", ""
        return (
            direction_letters(tuple(-part for part in self.row_cosines)),
            direction_letters(self.row_cosines),
            direction_letters(tuple(-part for part in self.column_cosines)),
            direction_letters(self.column_cosines),
        )

    @property
    def plane(self) -> str:
        """``axial``, ``coronal`` or ``sagittal``, by the nearest axis; empty where unknown."""
        if self.normal is None:
            return ""
        return name_plane(self.normal)


def direction_letters(direction: tuple[float, ...]) -> str:
    """Return the side of the patient to which a unit vector points, the strongest part first.

    A part below 0.26, the sine of 15°, is left out.

    >>> direction_letters((1.0, 0.0, 0.0)), direction_letters((0.0, 0.6, 0.8))
    ('L', 'HP')
    """
    order = sorted(range(3), key=lambda axis: -abs(direction[axis]))
    return "".join(
        _DIRECTION_LETTERS[axis][int(direction[axis] > 0)]
        for number, axis in enumerate(order)
        if number == 0 or (number == 1 and abs(direction[axis]) > 0.26)
    )


def read_geometries(file: BinaryIO) -> tuple[list[SliceGeometry], bool]:
    """Read the position of each frame of a DICOM file; the pixels are not read.

    Parameters
    ----------
    file : binary file
        Seekable, at its start; may be cut off after the header.

    Returns
    -------
    geometries : list of SliceGeometry
        One a frame; one for a single-frame file.
    complete : bool
        Whether the header was read up to the pixels; False where the file ended before.

    Raises
    ------
    ImageError
        If the transfer syntax is not supported. Damage raises whatever pydicom raises.
    """
    header, complete = read_header_elements(file, _GEOMETRY_TAGS)
    frames = max(int(to_float(header.get("NumberOfFrames")) or 1), 1)
    check_frame_count(frames)
    shared = (header.get("SharedFunctionalGroupsSequence") or [])[:1]
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or []
    if frames > 1 and not (shared or per_frame):
        # Frames without functional groups have no positions of their own.
        return [_parse_geometry(header, [], has_positions=False)] * frames, complete
    return [
        _parse_geometry(header, [*per_frame[frame : frame + 1], *shared]) for frame in range(frames)
    ], complete


def _parse_geometry(
    header: Dataset, groups: list[Dataset], *, has_positions: bool = True
) -> SliceGeometry:
    def numbers(sequence: str, keyword: str, length: int) -> list[float] | None:
        holders = [item for group in groups for item in (group.get(sequence) or [])[:1]]
        for holder in [*holders, header]:
            found = [to_float(part) for part in to_list(holder.get(keyword))]
            if len(found) == length and None not in found:
                return [part for part in found if part is not None]
        return None

    position = (
        numbers("PlanePositionSequence", "ImagePositionPatient", 3) if has_positions else None
    )
    across, down = _parse_orientation(
        numbers("PlaneOrientationSequence", "ImageOrientationPatient", 6)
    )
    spacing = numbers("PixelMeasuresSequence", "PixelSpacing", 2)
    thickness = numbers("PixelMeasuresSequence", "SliceThickness", 1)
    kinds = [str(kind).upper() for kind in to_list(header.get("ImageType"))]
    return SliceGeometry(
        position_mm=(position[0], position[1], position[2]) if position else None,
        row_cosines=across,
        column_cosines=down,
        spacing_mm=(spacing[0], spacing[1]) if spacing and min(spacing) > 0 else None,
        thickness_mm=thickness[0] if thickness else None,
        gantry_tilt_degrees=to_float(header.get("GantryDetectorTilt")),
        rows=int(to_float(header.get("Rows")) or 0),
        columns=int(to_float(header.get("Columns")) or 0),
        study_instance_uid=_read_text(header, "StudyInstanceUID"),
        series_instance_uid=_read_text(header, "SeriesInstanceUID"),
        sop_instance_uid=_read_text(header, "SOPInstanceUID"),
        instance_number=to_int(header.get("InstanceNumber")),
        series_number=_read_series_number(header),
        is_localizer=not {"LOCALIZER", "SCOUT", "TOPOGRAM"}.isdisjoint(kinds),
        acquisition=tuple(
            " ".join(map(str, to_list(header.get(keyword))))[:64]
            for keyword in _ACQUISITION_ELEMENTS
        ),
    )


def _parse_orientation(cosines: list[float] | None) -> tuple[Vector | None, Vector | None]:
    """Return the unit vectors of an ImageOrientationPatient; None where they are not valid."""
    if cosines is None:
        return None, None
    across, down = np.array(cosines[:3]), np.array(cosines[3:])
    lengths = float(np.linalg.norm(across)), float(np.linalg.norm(down))
    if not all(0.9 < length < 1.1 for length in lengths) or abs(float(across @ down)) > 0.1:
        return None, None
    (a, b, c), (d, e, f) = (across / lengths[0]).tolist(), (down / lengths[1]).tolist()
    return (a, b, c), (d, e, f)


def _read_series_number(header: Dataset) -> str:
    """Return the digits as they are written: as a number, long ones would lose some."""
    value = header.get("SeriesNumber")
    text = str(getattr(value, "original_string", value)).strip(" \x00")
    return text if re.fullmatch(r"-?\d{1,40}", text, re.ASCII) else ""


def _read_text(header: Dataset, keyword: str) -> str:
    return str(header.get(keyword) or "").strip(" \x00")[:64]
