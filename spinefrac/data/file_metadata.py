"""Properties of a file that do not depend on the anatomy: storage, brightness, header.

None of them should separate fractures from normal slices. Where one does, the classes come from
different sources, and a network learns the source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.data.groups import original_stem
from spinefrac.imaging.formats.dicom_header import DicomHeader
from spinefrac.records import CtSlice, GreyImage, SliceTags

#: Names of `FileMetadata.numeric_features`, in this order.
NUMERIC_FEATURES = (
    "height in pixels",
    "width in pixels",
    "bits a pixel",
    "colour",
    "file size",
    "bytes a pixel",
    "mean brightness",
    "spread of brightness",
    "share of black",
    "share of white",
    "brightness of the border",
    "brightest mark in the top left corner",
    "brightest mark in the top right corner",
    "brightest mark in the bottom left corner",
    "brightest mark in the bottom right corner",
)

#: Kinds of patient data that a file can carry.
PRIVACY_ISSUES = (
    "patient names or ids in the header",
    "birth or study dates in the header",
    "BurnedInAnnotation is YES",
    "BurnedInAnnotation is missing",
    "text-like marks in a corner",
)


@dataclass(frozen=True, slots=True)
class FileMetadata:
    """Storage, brightness and header of one file.

    Attributes
    ----------
    format : str
        As `CtSlice.format`.
    mode : str
        Grey or colour, bits, and Hounsfield units or not.
    size : str
        ``512×512``.
    scanner : str
        Maker, model, kernel and kV of a DICOM header; empty for other formats.
    position : float
        Position in the series by the header or the name, in any unit; NaN where neither has
        it.
    privacy_issues : tuple of int
        Indices into `PRIVACY_ISSUES`.
    numeric_features : float32 array, shape (len(NUMERIC_FEATURES),)
    """

    format: str
    mode: str
    size: str
    scanner: str
    position: float
    privacy_issues: tuple[int, ...]
    numeric_features: npt.NDArray[np.float32] = field(repr=False)

    @property
    def bits(self) -> int:
        """Bits stored a pixel."""
        return int(self.numeric_features[NUMERIC_FEATURES.index("bits a pixel")])


def read_file_metadata(
    path: Path, ct: CtSlice, image: GreyImage, header: DicomHeader | None
) -> FileMetadata:
    """Describe a file's storage, brightness, corners and header.

    Parameters
    ----------
    path : Path
    ct : CtSlice
        As read from it.
    image : uint8 array, shape (H, W)
        The slice as it is displayed.
    header : DicomHeader or None
        None for formats other than DICOM.
    """
    height, width = image.shape
    unit = "HU" if ct.calibrated else "grey"
    return FileMetadata(
        format=ct.format,
        mode=f"{'colour' if ct.colour else unit}, {ct.bits} bit",
        size=f"{height}×{width}",
        scanner=header.scanner if header else "",
        position=_slice_position(path.name, header.tags if header else SliceTags()),
        privacy_issues=tuple(_find_privacy_issues(header, image)),
        numeric_features=_compute_numeric_features(image, ct.bits, ct.colour, path.stat().st_size),
    )


def _compute_numeric_features(
    image: GreyImage, bits: int, colour: bool, size: int
) -> npt.NDArray[np.float32]:
    """Return the values of `NUMERIC_FEATURES`."""
    height, width = image.shape
    mean, spread = (float(value.item()) for value in cv2.meanStdDev(image))
    counts = cv2.calcHist([image], [0], None, [256], [0, 256]).ravel() / image.size
    frame = np.concatenate([image[:2].ravel(), image[-2:].ravel(), image[:, :2].ravel(),
                            image[:, -2:].ravel()])  # fmt: skip
    corners = [float(cv2.blur(corner, (3, 3)).max()) for corner in crop_corners(image, 1 / 8)]
    return np.array(
        [
            height, width, bits, colour, size, size / image.size, mean, spread,
            counts[:3].sum(), counts[253:].sum(), frame.mean(), *corners,
        ],
        dtype=np.float32,
    )  # fmt: skip


def crop_corners(image: GreyImage, share: float) -> list[GreyImage]:
    """Return the four corners of a slice, each `share` of its height and width."""
    h, w = max(1, int(image.shape[0] * share)), max(1, int(image.shape[1] * share))
    return [image[:h, :w], image[:h, -w:], image[-h:, :w], image[-h:, -w:]]


def _slice_position(name: str, tags: SliceTags) -> float:
    """Return the position in a series by the header or the last number of the name."""
    if tags.position_mm is not None:
        return tags.position_mm
    if tags.instance_number is not None:
        return float(tags.instance_number)
    numbers = re.findall(r"\d+", original_stem(name))
    return float(numbers[-1][-9:]) if numbers else float("nan")


# --- patient data --------------------------------------------------------------------------


def _find_privacy_issues(header: DicomHeader | None, image: GreyImage) -> Iterator[int]:
    """Yield which kinds of `PRIVACY_ISSUES` a file has."""
    if header is not None:
        if header.has_identity:
            yield 0
        if header.has_dates:
            yield 1
        if header.burned_in_annotation == "YES":
            yield 2
        elif header.burned_in_annotation != "NO":
            yield 3
    if any(_looks_like_text(corner) for corner in crop_corners(image, 1 / 4)):
        yield 4


def _looks_like_text(corner: GreyImage) -> bool:
    """Whether a corner shows a line of small bright marks of one height on even ground.

    Letters are brighter than their ground by far, a few pixels high, and stand side by side on
    a line; anatomy is larger, and noise is smaller.
    """
    ground = float(np.median(corner))
    if ground > 128:
        return False
    bright = (corner > ground + 100).astype(np.uint8)
    share = float(bright.mean())
    if not 0.002 < share < 0.15:
        return False
    count, _, stats, _ = cv2.connectedComponentsWithStats(bright, connectivity=8)
    boxes = stats[1:count]
    height, width = boxes[:, cv2.CC_STAT_HEIGHT], boxes[:, cv2.CC_STAT_WIDTH]
    letters = boxes[(height >= 5) & (height <= 32) & (width >= 1) & (width <= 32)]
    if len(letters) < 4 or len(letters) < 0.5 * len(boxes):
        return False
    base = letters[:, cv2.CC_STAT_TOP] + letters[:, cv2.CC_STAT_HEIGHT]
    tall = letters[:, cv2.CC_STAT_HEIGHT]
    on_line = (np.abs(base[:, None] - base) <= 2) & (np.abs(tall[:, None] - tall) <= 3)
    return bool(on_line.sum(axis=1).max() >= 4)
