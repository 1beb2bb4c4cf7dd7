"""How large a foreign file may be, checked from its header before anything is decoded.

A few hundred kilobytes can declare gigabytes of pixels, so no decoder may be called before
`check_image_size` has seen what the header declares.
"""

from __future__ import annotations

from math import prod

from spinefrac.errors import ImageError

MIB = 2**20

#: Largest file that is opened at all, in bytes.
MAX_FILE_BYTES = 512 * MIB

#: Most files that are read at once, from an upload, a folder or a ZIP.
MAX_FILES = 10_000

#: Largest slice, in pixels: a CT slice of a scanner has 0.26 megapixels, a photograph of a light
#: box 12.
MAX_PIXELS = 16_000_000

#: Most frames of a file; a whole-body CT has some 2,000 slices.
MAX_FRAMES = 10_000

#: Most elements of a DICOM header, without those inside sequences; scanners write 100 to 500.
MAX_ELEMENTS = 5_000

#: Longest side of a slice, in pixels; OpenCV and most viewers stop at 2**15.
MAX_SIDE = 2**15 - 1

#: Most bytes that the samples a file declares may take once decoded.
MAX_DECODED_BYTES = 512 * MIB

#: What is packed may become so many times as large, beyond `EXPANSION_FREE_BYTES`, all levels of
#: packing together; CT becomes 2 to 10 times as large.
MAX_EXPANSION = 100
EXPANSION_FREE_BYTES = 64 * MIB


def check_file_size(size: int) -> None:
    """Refuse a file by its size on disk.

    Parameters
    ----------
    size : int
        Length of the file in bytes.

    Raises
    ------
    ImageError
        If the file is empty or larger than `MAX_FILE_BYTES`.
    """
    if size == 0:
        raise ImageError("expected an image, got an empty file; export the slice again")
    if size > MAX_FILE_BYTES:
        raise ImageError(
            f"expected a file of at most {MAX_FILE_BYTES // MIB} MB, got {size // MIB} MB; "
            "export single slices instead of the whole study"
        )


def check_image_size(rows: int, columns: int, *others: int, sample_bytes: int = 1) -> None:
    """Refuse a slice or volume by the size that its header declares.

    Parameters
    ----------
    rows, columns : int
        Size of one slice in pixels.
    *others : int
        Every further factor of the decoded size: channels, frames, depth.
    sample_bytes : int
        Bytes per decoded sample.

    Raises
    ------
    ImageError
        If the slice has no pixels, or is over `MAX_PIXELS`, `MAX_SIDE` or
        `MAX_DECODED_BYTES`.
    """
    if min(rows, columns, *others, sample_bytes) < 1:
        raise ImageError("expected an image with pixels, got one of size zero; export it again")
    if rows * columns > MAX_PIXELS or max(rows, columns) > MAX_SIDE:
        raise ImageError(
            f"expected a slice of at most {MAX_PIXELS // 1_000_000} megapixels and {MAX_SIDE} "
            f"pixels a side, got {columns}×{rows}; export it at 512×512"
        )
    size = prod((rows, columns, *others, sample_bytes))
    if size > MAX_DECODED_BYTES:
        raise ImageError(
            f"expected at most {MAX_DECODED_BYTES // MIB} MB of decoded pixels, the header "
            f"declares {size // MIB} MB; export fewer slices to a file"
        )


def check_frame_count(frames: int) -> None:
    """Refuse a file by the number of frames that it declares.

    Raises
    ------
    ImageError
        If there are more than `MAX_FRAMES`.
    """
    if frames > MAX_FRAMES:
        raise ImageError(
            f"expected at most {MAX_FRAMES:,} frames in a file, the header declares {frames:,}; "
            "export one series"
        )


def check_expansion(size: int, stored_bytes: int) -> None:
    """Refuse what becomes far larger when it is unpacked than any CT does.

    Parameters
    ----------
    size : int
        Bytes after unpacking.
    stored_bytes : int
        Bytes that came, before any level of packing was undone.

    Raises
    ------
    ImageError
        If it is over `EXPANSION_FREE_BYTES` and `MAX_EXPANSION` times as large.
    """
    if size > EXPANSION_FREE_BYTES + MAX_EXPANSION * stored_bytes:
        raise ImageError(
            f"expected a file that unpacks to at most {MAX_EXPANSION} times its size, it declares "
            f"{size // max(stored_bytes, 1):,} times; no CT series packs so tightly"
        )
