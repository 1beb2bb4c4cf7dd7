"""DICOM pixels: one frame in Hounsfield units where it is CT, as grey values otherwise.

Section numbers are those of the DICOM standard, PS3.3 and PS3.5.
"""

from __future__ import annotations

import os
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from spinefrac.errors import ImageError
from spinefrac.imaging.formats.dicom_header import (
    PIXEL_DATA,
    SUMMARY_TAGS,
    DicomHeader,
    name_plane,
    read_header,
    summarize_header,
    to_float,
    to_list,
)
from spinefrac.imaging.formats.jpeg_validation import (
    FrameInfo,
    check_frame_size,
    check_lossless_frame,
)
from spinefrac.imaging.formats.raster import stretch_contrast, to_luma
from spinefrac.imaging.formats.transfer_syntax import (
    BIG_ENDIAN,
    DECODERS,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LS,
    NATIVE,
    RLE,
    resolve_syntax,
    skip_pixel_data_header,
)
from spinefrac.imaging.hounsfield import AIR_HU, explain_implausible
from spinefrac.imaging.limits import check_frame_count, check_image_size
from spinefrac.records import CtSlice, FloatImage

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# CT Image Storage, Enhanced CT and Legacy Converted Enhanced CT.
_CT_CLASSES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.2",
        "1.2.840.10008.5.1.4.1.1.2.1",
        "1.2.840.10008.5.1.4.1.1.2.2",
    }
)

_RESCALE_SEQUENCE = "PixelValueTransformationSequence"

# The elements that pixels need. The patient's name is not among them, so it can reach no message,
# no warning and no log.
_PIXEL_TAGS = (
    0x00080016,  # SOPClassUID
    0x00080060,  # Modality
    0x00200037,  # ImageOrientationPatient
    0x00280002,  # SamplesPerPixel
    0x00280004,  # PhotometricInterpretation
    0x00280006,  # PlanarConfiguration
    0x00280008,  # NumberOfFrames
    0x00280010,  # Rows
    0x00280011,  # Columns
    0x00280030,  # PixelSpacing
    0x00280100,  # BitsAllocated
    0x00280101,  # BitsStored
    0x00280102,  # HighBit
    0x00280103,  # PixelRepresentation
    0x00280120,  # PixelPaddingValue
    0x00280121,  # PixelPaddingRangeLimit
    0x00281050,  # WindowCenter
    0x00281051,  # WindowWidth
    0x00281052,  # RescaleIntercept
    0x00281053,  # RescaleSlope
    0x00281054,  # RescaleType
    0x00281101,  # Red, green and blue palette descriptors and data
    0x00281102,
    0x00281103,
    0x00281201,
    0x00281202,
    0x00281203,
    0x52009229,  # SharedFunctionalGroupsSequence
    0x52009230,  # PerFrameFunctionalGroupsSequence
    0x7FE00001,  # ExtendedOffsetTable
    0x7FE00002,  # ExtendedOffsetTableLengths
)


def read_dicom(file: BinaryIO, frame_index: int | None = None) -> CtSlice:
    """Read one frame.

    A CT image with a rescale slope and intercept is calibrated: stored value × slope +
    intercept gives Hounsfield units (C.11.1.1.2). Everything else, a secondary capture or
    another modality for example, becomes grey values: rescaled, put through its own first
    window (or spread over its own range where it has none and more than 8 bits), inverted
    where MONOCHROME1 defines low values as white (C.7.6.3.1.2). In a calibrated slice
    MONOCHROME1 changes nothing, as it is about display and not about Hounsfield units.

    Pixel padding (C.7.5.1.1.2) becomes air: -1024 HU, or the minimum of the grey values.

    Parameters
    ----------
    file : binary file
        Seekable, at its start.
    frame_index : int or None
        Frame, from 0; None for the middle one.

    Returns
    -------
    CtSlice
        Pixels float32 (H, W), in Hounsfield units where calibrated, else in 0…255.

    Raises
    ------
    ImageError
        If the transfer syntax is not supported, the declared size is over the limits, the
        Hounsfield units of a CT image cannot be computed, or the frame is missing. Damage
        raises whatever pydicom raises.
    """
    header, syntax = read_header(file, _PIXEL_TAGS)
    return _read_frame(file, header, syntax, frame_index)


def read_dicom_with_header(file: BinaryIO) -> tuple[CtSlice, DicomHeader]:
    """Read the middle frame as `read_dicom` does, and the header's summary, in one pass."""
    header, syntax = read_header(file, (*_PIXEL_TAGS, *SUMMARY_TAGS))
    summary = summarize_header(header)  # from the bytes of elements, before any is parsed
    return _read_frame(file, header, syntax, None), summary


def _read_frame(file: BinaryIO, header: Dataset, syntax: str, frame_index: int | None) -> CtSlice:
    """Decode a frame of a file that is at its pixel data element."""
    frames = int(header.get("NumberOfFrames") or 1)
    _check_declared(header, frames)
    frame_index = frames // 2 if frame_index is None else frame_index
    if not 0 <= frame_index < frames:
        raise ImageError(
            f"expected a frame from 0 to {frames - 1}, got {frame_index}; choose another"
        )
    functional = _functional_groups(header, frame_index)
    if _is_ct(header):
        _check_rescale(header, functional)
    stored = _decode_frame(file, header, syntax, frames, frame_index)
    calibrated = _is_calibrated(header, functional) and stored.ndim == 2
    window = _window(header, functional)
    pixels, colour = _rescale_pixels(stored, header, functional, window, calibrated=calibrated)
    pixels = np.nan_to_num(pixels, nan=AIR_HU if calibrated else 0.0)
    return CtSlice(
        pixels=pixels,
        calibrated=calibrated,
        format="dicom",
        bits=int(header.get("BitsStored") or header.BitsAllocated),
        colour=colour,
        spacing_mm=_spacing(header, functional),
        window=window if calibrated else None,
        slice_index=frame_index,
        slice_count=frames,
        modality=str(header.get("Modality") or "").strip().upper()[:16],
        plane=_plane(header, functional),
        implausible=_explain_values(header, pixels, calibrated=calibrated),
    )


def _explain_values(header: Dataset, pixels: FloatImage, *, calibrated: bool) -> str:
    """Say why a CT image does not hold Hounsfield units; empty where it does."""
    if calibrated:
        return explain_implausible(pixels)
    if _is_ct(header):
        return "a CT image without Hounsfield units: its header does not state how to compute them"
    return ""


def _rescale_pixels(
    stored: npt.NDArray[Any],
    header: Dataset,
    functional: list[Dataset],
    window: tuple[float, float] | None,
    *,
    calibrated: bool,
) -> tuple[FloatImage, bool]:
    """Return stored values in Hounsfield units or as grey in 0…255, and whether in colour."""
    slope, intercept = _rescale(header, functional)
    pixels, colour = to_luma(stored)
    padding = _padding(header, stored)
    if slope is not None:
        pixels *= np.float32(slope)
        pixels += np.float32(intercept)
    if calibrated:
        if padding is not None:
            pixels[padding] = AIR_HU
        return pixels, colour
    if padding is not None and not padding.all():
        pixels[padding] = pixels[~padding].min()
    return _to_grey(pixels, header, window, is_eight_bit=stored.dtype.itemsize == 1), colour


# --- header ----------------------------------------------------------------------------


def _check_declared(header: Dataset, frames: int) -> None:
    """Refuse what the header declares too large or no image at all, before any decoding."""
    if "Rows" not in header or "Columns" not in header or "BitsAllocated" not in header:
        raise ImageError(
            "expected a DICOM image, got a DICOM object without pixels (a report, a plan or a "
            "directory); choose an image"
        )
    if header.BitsAllocated not in (1, 8, 16, 32, 64):
        raise ImageError("expected 8, 16 or 32 bits a pixel, got another; export it again")
    channels = int(header.get("SamplesPerPixel") or 1)
    if channels not in (1, 3):
        raise ImageError(f"expected 1 or 3 samples a pixel, got {channels}; export it as grey")
    check_frame_count(frames)
    check_image_size(
        int(header.Rows),
        int(header.Columns),
        channels,
        frames,
        sample_bytes=max(1, int(header.BitsAllocated) // 8),
    )


def _is_calibrated(header: Dataset, functional_groups: list[Dataset]) -> bool:
    """Whether rescaled values are Hounsfield units (C.8.2.1, C.11.1.1.2)."""
    if _rescale(header, functional_groups)[0] is None:
        return False
    if str(header.get("RescaleType") or "HU").strip().upper() != "HU":
        return False
    return _is_ct(header)


def _is_ct(header: Dataset) -> bool:
    """Whether it is an image of a CT, which has Hounsfield units by the standard (C.8.2.1)."""
    if str(header.get("SOPClassUID", "")) in _CT_CLASSES:
        return True
    # Anonymised files may have lost the class but keep the modality. A secondary capture of
    # a CT also has the modality CT, but has another class.
    return not header.get("SOPClassUID") and str(header.get("Modality", "")).strip() == "CT"


def _check_rescale(header: Dataset, functional_groups: list[Dataset]) -> None:
    """Refuse a CT image whose Hounsfield units are stated but cannot be computed."""
    for keyword in ("RescaleSlope", "RescaleIntercept"):
        stated = _read_values(header, functional_groups, _RESCALE_SEQUENCE, keyword)
        number = to_float(stated[0]) if stated else 1.0
        if number is None or (number == 0 and keyword == "RescaleSlope"):
            raise ImageError(
                f"expected a number as {keyword} of a CT image, got something else, so that its "
                "Hounsfield units are not known; export it again"
            )


def _functional_groups(header: Dataset, frame_index: int) -> list[Dataset]:
    """Return the frame's own and the shared functional groups (C.7.6.16), nearest first."""
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = header.get("SharedFunctionalGroupsSequence") or []
    return [*per_frame[frame_index : frame_index + 1], *shared[:1]]


def _read_numbers(
    header: Dataset, functional_groups: list[Dataset], sequence: str, keyword: str
) -> list[float]:
    """Return the numbers of an element, see `_read_values`."""
    numbers = map(to_float, _read_values(header, functional_groups, sequence, keyword))
    return [number for number in numbers if number is not None]


def _read_values(
    header: Dataset, functional_groups: list[Dataset], sequence: str, keyword: str
) -> list[Any]:
    """Return the values of an element, from the functional groups or the data set itself."""
    holders = [item for group in functional_groups for item in (group.get(sequence) or [])]
    for holder in [*holders, header]:
        value = holder.get(keyword)
        if value is not None and value != "":
            return to_list(value)
    return []


def _rescale(header: Dataset, functional_groups: list[Dataset]) -> tuple[float | None, float]:
    slope = _read_numbers(header, functional_groups, _RESCALE_SEQUENCE, "RescaleSlope")
    intercept = _read_numbers(header, functional_groups, _RESCALE_SEQUENCE, "RescaleIntercept")
    if not slope or not intercept or slope[0] == 0:
        return None, 0.0
    return slope[0], intercept[0]


def _window(header: Dataset, functional_groups: list[Dataset]) -> tuple[float, float] | None:
    """Return the first window; the others are alternative views (C.11.2.1.2)."""
    centers = _read_numbers(header, functional_groups, "FrameVOILUTSequence", "WindowCenter")
    widths = _read_numbers(header, functional_groups, "FrameVOILUTSequence", "WindowWidth")
    if not centers or not widths or widths[0] < 1:
        return None
    return centers[0], widths[0]


def _spacing(header: Dataset, functional_groups: list[Dataset]) -> tuple[float, float] | None:
    spacing = _read_numbers(header, functional_groups, "PixelMeasuresSequence", "PixelSpacing")
    if len(spacing) != 2 or min(spacing) <= 0:
        return None
    return spacing[0], spacing[1]


def _plane(header: Dataset, functional_groups: list[Dataset]) -> str:
    cosines = _read_numbers(
        header, functional_groups, "PlaneOrientationSequence", "ImageOrientationPatient"
    )
    return name_plane(np.cross(cosines[:3], cosines[3:])) if len(cosines) == 6 else ""


# --- pixels ----------------------------------------------------------------------------


def _decode_frame(
    file: BinaryIO, header: Dataset, syntax: str, frames: int, frame_index: int
) -> npt.NDArray[Any]:
    """Return the stored values of one frame: (H, W), or (H, W, 3) RGB."""
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import as_pixel_options
    from pydicom.uid import UID

    tag, vr, length = skip_pixel_data_header(file, little_endian=syntax != BIG_ENDIAN)
    if tag != PIXEL_DATA:
        raise ImageError("expected integer pixels, got a floating-point DICOM; export it again")
    syntax = resolve_syntax(file, syntax, length, _count_native_bytes(header, frames))
    options: dict[str, Any] = as_pixel_options(header)
    options["number_of_frames"] = frames
    options["pixel_keyword"] = "PixelData"
    options["transfer_syntax_uid"] = UID(syntax)
    options["pixel_vr"] = vr
    if syntax in NATIVE:
        _check_native_length(file, length, _count_native_bytes(header, frames))
    else:
        extended_offsets = options.pop("extended_offsets", None)
        frame = _fetch_checked_frame(file, header, syntax, frames, frame_index, extended_offsets)
        # One frame, one fragment, no offset table: what was checked is all that there is.
        file, frame_index = BytesIO(encapsulate([frame], has_bot=False)), 0
        options["number_of_frames"] = 1
        if syntax in JPEG_LOSSLESS and header.BitsAllocated == 8:
            # GDCM ends the process where fewer of 8 bits are stored; those above them are 0.
            options["bits_stored"] = 8
    stored, _ = get_decoder(UID(syntax)).as_array(
        file, index=frame_index, decoding_plugin=DECODERS.get(syntax, ""), **options
    )
    if str(header.get("PhotometricInterpretation", "")).startswith("PALETTE"):
        stored = apply_color_lut(stored, header)
    return stored


def _fetch_checked_frame(
    file: BinaryIO,
    header: Dataset,
    syntax: str,
    frames: int,
    frame_index: int,
    extended_offsets: tuple[Any, Any] | None,
) -> bytes:
    """Return the codestream of a frame, fragments joined, after checking it (PS3.5, A.4)."""
    from pydicom.encaps import get_frame

    if syntax == JPEG_EXTENDED and int(header.BitsAllocated) != 8:
        raise ImageError(
            "expected 8-bit lossy JPEG in DICOM, got 12-bit, which no free decoder reads; "
            "export it uncompressed"
        )
    frame = get_frame(file, frame_index, number_of_frames=frames, extended_offsets=extended_offsets)
    if syntax in JPEG_LOSSLESS | JPEG_LS:
        return check_lossless_frame(frame, _frame_info(header))
    if syntax != RLE:  # which has no header of its own, and is decoded in Python
        check_frame_size(frame, _frame_info(header))
    return frame


def _frame_info(header: Dataset) -> FrameInfo:
    return FrameInfo(
        rows=int(header.Rows),
        columns=int(header.Columns),
        samples=int(header.get("SamplesPerPixel") or 1),
        bits_allocated=int(header.BitsAllocated),
        bits_stored=int(header.get("BitsStored") or header.BitsAllocated),
    )


def _count_native_bytes(header: Dataset, frames: int) -> int:
    """Count the bytes of all frames without compression (PS3.5, 8.1)."""
    samples = int(header.Rows) * int(header.Columns) * int(header.get("SamplesPerPixel") or 1)
    return frames * samples * int(header.BitsAllocated) // 8


def _check_native_length(file: BinaryIO, length: int, expected: int) -> None:
    """Compare what the header declares with the pixel data element and with what is left."""
    start = file.tell()
    left = file.seek(0, os.SEEK_END) - start
    file.seek(start)
    if left < expected:
        raise ImageError(
            f"expected {expected} bytes of DICOM pixels, got {left}: the file ends early; "
            "copy or export it again"
        )
    if length < expected:
        raise ImageError(
            f"expected {expected} bytes of DICOM pixels by rows, columns and bits of the header, "
            f"the element of the pixels has {length}; export it again"
        )


def _padding(header: Dataset, stored: npt.NDArray[Any]) -> npt.NDArray[np.bool_] | None:
    """Return where stored values are padding (C.7.5.1.1.2), or None where nowhere."""
    value = to_float(header.get("PixelPaddingValue"))
    if value is None or stored.ndim != 2:
        return None
    limit = to_float(header.get("PixelPaddingRangeLimit"))
    low, high = sorted((value, value if limit is None else limit))
    padding = (stored >= low) & (stored <= high)
    return padding if padding.any() else None


def _to_grey(
    pixels: FloatImage, header: Dataset, window: tuple[float, float] | None, *, is_eight_bit: bool
) -> FloatImage:
    """Convert uncalibrated values to grey in 0…255."""
    if window is not None:
        center, width = window
        pixels = np.clip((pixels - (center - width / 2)) * (255.0 / width), 0, 255)
    elif not is_eight_bit:
        pixels = stretch_contrast(pixels)
    pixels = np.clip(pixels, 0, 255).astype(np.float32, copy=False)
    if header.get("PhotometricInterpretation") == "MONOCHROME1":
        pixels = np.float32(255) - pixels
    return pixels
