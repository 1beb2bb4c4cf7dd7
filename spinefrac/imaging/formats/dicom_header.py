"""The header of a DICOM file: transfer syntax, elements, and a summary of a slice.

Only the elements that a caller names are read, up to the pixels. Section numbers are those of the
DICOM standard, PS3.3, PS3.5 and PS3.10.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from spinefrac.errors import ImageError
from spinefrac.imaging.formats.transfer_syntax import (
    BIG_ENDIAN,
    DECODERS,
    DEFLATED,
    IMPLICIT,
    NATIVE,
    detect_encoding,
)
from spinefrac.imaging.limits import MAX_ELEMENTS
from spinefrac.records import SliceTags

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

PIXEL_DATA = 0x7FE00010
_ANY_PIXEL_DATA = (0x7FE00008, 0x7FE00009, PIXEL_DATA)

_PATIENT_ID, _PATIENT_NAME = 0x00100020, 0x00100010
_STUDY_UID, _SERIES_UID, _FRAME_OF_REFERENCE_UID = 0x0020000D, 0x0020000E, 0x00200052
_INSTANCE_NUMBER = 0x00200013
_IMAGE_POSITION, _IMAGE_ORIENTATION = 0x00200032, 0x00200037
_IDENTITY_REMOVED, _BURNED_IN_ANNOTATION = 0x00120062, 0x00280301
_DATES = (
    0x00100030,  # PatientBirthDate
    0x00080020,  # StudyDate
    0x00080021,  # SeriesDate
    0x00080022,  # AcquisitionDate
    0x00080023,  # ContentDate
)
_SCANNER_TAGS = (
    0x00080070,  # Manufacturer
    0x00081090,  # ManufacturerModelName
    0x00181210,  # ConvolutionKernel
    0x00180060,  # KVP
)
#: What `summarize_header` needs.
SUMMARY_TAGS = (
    _PATIENT_ID, _PATIENT_NAME, _STUDY_UID, _SERIES_UID, _FRAME_OF_REFERENCE_UID,
    _INSTANCE_NUMBER, _IMAGE_POSITION, _IMAGE_ORIENTATION, _IDENTITY_REMOVED,
    _BURNED_IN_ANNOTATION, *_DATES, *_SCANNER_TAGS,
)  # fmt: skip


#: Value representations whose values are short texts or numbers (PS3.5, 6.2).
_SHORT_VRS = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "PN", "SH", "TM", "UI", "US"}
)
_CHARACTER_SET = 0x00080005
#: Longest value that is returned of such an element, in characters: a name has 3 × 64.
_MAX_VALUE_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class DicomHeader:
    """What a data set needs of a slice's header. Names and dates themselves are not in it.

    Attributes
    ----------
    tags : SliceTags
        Patient, study, series and position.
    scanner : str
        Manufacturer, model, kernel and kV.
    has_identity : bool
        Whether PatientName or PatientID is filled in and PatientIdentityRemoved is not YES.
    has_dates : bool
        Whether a birth or study date is filled in and PatientIdentityRemoved is not YES.
    burned_in_annotation : str
        ``YES``, ``NO`` or empty.
    """

    tags: SliceTags
    scanner: str
    has_identity: bool
    has_dates: bool
    burned_in_annotation: str


def summarize_header(header: Dataset) -> DicomHeader:
    """Return what a data set needs of a header that was read with `SUMMARY_TAGS`."""
    removed = _raw_text(header, _IDENTITY_REMOVED).upper() == "YES"
    name = _raw_text(header, _PATIENT_NAME).strip(" ^")
    return DicomHeader(
        tags=_parse_slice_tags(header),
        scanner=_describe_scanner(header),
        has_identity=not removed and bool(name or _raw_text(header, _PATIENT_ID)),
        has_dates=not removed and any(_raw_text(header, tag) for tag in _DATES),
        burned_in_annotation=_raw_text(header, _BURNED_IN_ANNOTATION).upper(),
    )


def _parse_slice_tags(header: Dataset) -> SliceTags:
    return SliceTags(
        patient_id=_raw_text(header, _PATIENT_ID),
        study_instance_uid=_raw_text(header, _STUDY_UID),
        series_instance_uid=_raw_text(header, _SERIES_UID),
        frame_of_reference_uid=_raw_text(header, _FRAME_OF_REFERENCE_UID),
        instance_number=to_int(_raw_text(header, _INSTANCE_NUMBER)),
        position_mm=_compute_position_mm(header),
    )


def _compute_position_mm(header: Dataset) -> float | None:
    """Return the position along the normal, PS3.3 C.7.6.2.1.1; along z without orientation."""
    position = _parse_numbers(_raw_text(header, _IMAGE_POSITION), 3)
    if position is None:
        return None
    axes = _parse_numbers(_raw_text(header, _IMAGE_ORIENTATION), 6)
    if axes is None:
        return position[2]
    return float(np.dot(np.cross(axes[:3], axes[3:]), position))


def _parse_numbers(text: str, count: int) -> list[float] | None:
    """Return the numbers of an element; None where there are not `count` finite ones."""
    numbers = [to_float(part) for part in text.split("\\")]
    finite = [number for number in numbers if number is not None]
    return finite if len(finite) == len(numbers) == count else None


def _raw_text(header: Dataset, tag: int) -> str:
    """Return an element's bytes as text, so that no parser can quote them in a warning."""
    if tag not in header:
        return ""
    value = header.get_item(tag).value
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return str(value if value is not None else "").strip(" \x00")


def _describe_scanner(header: Dataset) -> str:
    """Return manufacturer, model, kernel and kV; empty where one of them cannot be parsed."""
    try:
        values = [header[tag].value for tag in _SCANNER_TAGS if tag in header]
        return " ".join(filter(None, (str(value) for value in values if value is not None)))
    except (ValueError, LookupError, AttributeError, TypeError, NotImplementedError):
        return ""  # the pixels can be read, so it is a slice all the same


def to_float(value: Any) -> float | None:
    """Return a finite number, or None where it is not one.

    A decimal comma, which programs write by the language of their system, is read as a point.

    >>> to_float("0,488"), to_float("1.5 "), to_float("1,024.5")
    (0.488, 1.5, None)
    """
    if isinstance(value, str) and value.count(",") == 1 and "." not in value:
        value = value.replace(",", ".")
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def to_int(value: Any) -> int | None:
    """Return a whole number of the range of IS (PS3.5, 6.2), or None where it is not one."""
    number = to_float(value)
    return int(number) if number is not None and abs(number) < 2**31 else None


def to_list(value: Any) -> list[Any]:
    """Return the values of an element, which pydicom gives alone where there is one."""
    if value is None or value == "":
        return []
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else [value]


def name_plane(normal: Sequence[float] | np.ndarray) -> str:
    """Return ``axial``, ``coronal`` or ``sagittal``, by the axis nearest to the normal.

    >>> name_plane((0.0, 0.1, -0.9)), name_plane((0.0, 0.0, 0.0))
    ('axial', '')
    """
    sizes = np.abs(normal)
    return ("sagittal", "coronal", "axial")[int(np.argmax(sizes))] if sizes.any() else ""


# --- elements --------------------------------------------------------------------------


def read_header_elements(file: BinaryIO, tags: Iterable[int]) -> tuple[Dataset, bool]:
    """Read the elements `tags` of a header, and whether it was followed by pixels.

    Raises
    ------
    ImageError
        If the transfer syntax is not supported.
    """
    header, _ = read_header(file, tags)
    return header, bool(file.read(1))


def read_values(file: BinaryIO, keywords: Sequence[str]) -> tuple[dict[str, list[str]], bool]:
    """Read elements of short texts and numbers, and whether the header was followed by pixels.

    Returns
    -------
    values : dict of str to list of str
        By keyword, decoded by the file's character set. Elements that are absent, empty, of
        another kind or damaged are not in it.
    is_complete : bool

    Raises
    ------
    ImageError
        If the transfer syntax is not supported.
    """
    from pydicom.datadict import tag_for_keyword

    tags = {keyword: tag_for_keyword(keyword) or 0 for keyword in keywords}
    header, is_complete = read_header_elements(file, [_CHARACTER_SET, *tags.values()])
    found = {keyword: _list_texts(header, tag) for keyword, tag in tags.items()}
    return {keyword: texts for keyword, texts in found.items() if texts}, is_complete


def _list_texts(header: Dataset, tag: int) -> list[str]:
    """Return the values of an element as texts; none where they cannot be parsed."""
    try:
        if tag not in header or header[tag].VR not in _SHORT_VRS or not header[tag].VM:
            return []
        element = header[tag]
        values = list(element.value) if element.VM > 1 else [element.value]
    except (ValueError, LookupError, AttributeError, TypeError, NotImplementedError):
        return []
    if element.VR in ("DS", "IS") and any(to_float(value) is None for value in values):
        return []
    texts = [str(value).strip(" \x00") for value in values]
    return texts if max(map(len, texts)) <= _MAX_VALUE_CHARACTERS and any(texts) else []


def read_header(file: BinaryIO, tags: Iterable[int]) -> tuple[Dataset, str]:
    """Read the elements `tags` and leave `file` at the pixel data element.

    The elements are read as they are encoded, whatever the transfer syntax says; so returned is
    the syntax that is stated, or the encoding of the elements where that is not compressed.

    The transfer syntax is checked before the data set, because pydicom would inflate a
    deflated one whole: 0.8 MB can become 1.6 GB.
    """
    from pydicom import config
    from pydicom.filereader import read_dataset, read_preamble

    # Of a damaged file pydicom would quote whole stretches in a warning, a name included.
    config.settings.reading_validation_mode = config.IGNORE
    read_preamble(file, force=True)
    meta = read_dataset(
        file, is_implicit_VR=False, is_little_endian=True, stop_when=_is_past_file_meta
    )
    stated = str(meta.get("TransferSyntaxUID") or "")
    encoding = detect_encoding(file)
    syntax = encoding if stated in NATIVE or not stated else stated
    if syntax == DEFLATED:
        raise ImageError(
            "expected a DICOM file that is not deflated, got the deflated transfer syntax; "
            "convert it to Explicit VR Little Endian"
        )
    if syntax not in NATIVE and syntax not in DECODERS:
        raise ImageError(
            "expected a DICOM transfer syntax for single images (uncompressed, RLE, JPEG, "
            "JPEG-LS or JPEG 2000), got another; convert it to Explicit VR Little Endian"
        )
    header = read_dataset(
        file,
        is_implicit_VR=encoding == IMPLICIT,
        is_little_endian=encoding != BIG_ENDIAN,
        stop_when=_PixelDataFinder(),
        specific_tags=list(tags),
    )
    if not header.get("SOPClassUID"):  # anonymised files keep it in the file meta only
        header.SOPClassUID = meta.get("MediaStorageSOPClassUID", "")
    return header, syntax


def _is_past_file_meta(tag: Any, vr: str | None, length: int) -> bool:
    return tag.group != 2


class _PixelDataFinder:
    """Says of each element whether it is the pixel data; raises where there are too many before."""

    def __init__(self) -> None:
        self._elements = 0

    def __call__(self, tag: Any, vr: str | None, length: int) -> bool:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise ImageError(
                f"expected a header of at most {MAX_ELEMENTS:,} elements, got a longer one; "
                "export the slice again"
            )
        return tag in _ANY_PIXEL_DATA
