"""ZIP archives, read in memory and in bounds: nothing is ever unpacked to disk.

A member's name reaches messages only, so no name can point anywhere. What a ZIP declares is
checked before anything is inflated, and no more is inflated than a member declares.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from spinefrac.errors import ImageError
from spinefrac.imaging.limits import MAX_FILE_BYTES, MAX_FILES, MIB
from spinefrac.imaging.system_files import is_system_file

#: How a ZIP begins; the second is an empty one, the third one in several parts.
SIGNATURE = b"PK\x03\x04"
SIGNATURES = (SIGNATURE, b"PK\x05\x06", b"PK\x07\x08")

#: Most bytes that the members may take once inflated.
MAX_INFLATED_BYTES = 2048 * MIB

#: A ZIP may inflate to so many times its size, beyond `RATIO_FREE_BYTES`; CT has 2 to 10.
MAX_RATIO = 100
RATIO_FREE_BYTES = 64 * MIB

#: Most bytes of the table of contents, which `zipfile` reads whole: 10,000 long names fit.
_MAX_DIRECTORY_BYTES = 8 * MIB

_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a ZIP: its name as the ZIP gives it, its size, and how to get its bytes.

    `reason` is why it must not be read, empty where it can be.
    """

    name: str
    size: int
    fetch: Callable[[int | None], bytes] = field(repr=False)
    reason: str = ""


class _BoundedBytesIO(io.BytesIO):
    """Bytes of which no more than `max_bytes` can be read at once while the directory is parsed."""

    max_bytes: int | None = _MAX_DIRECTORY_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        if self.max_bytes is not None and size is not None and size > self.max_bytes:
            raise ImageError(
                f"expected a ZIP of at most {MAX_FILES:,} files, got one whose table of contents "
                "is far longer; pack one series"
            )
        return super().read(size)


def list_members(content: bytes) -> list[Member]:
    """List the files of a ZIP in memory.

    Parameters
    ----------
    content : bytes
        The ZIP. It stays in memory as long as a member.

    Returns
    -------
    list of Member
        Folders, and files that systems leave, left out. Members with a password, ZIPs inside
        the ZIP and members larger than `limits.MAX_FILE_BYTES` carry their refusal.

    Raises
    ------
    ImageError
        If the ZIP is damaged, empty, has more than `limits.MAX_FILES` files, or declares
        more than `MAX_INFLATED_BYTES` or `MAX_RATIO` times its size.
    """
    try:
        buffer = _BoundedBytesIO(content)
        opened = zipfile.ZipFile(buffer)
        buffer.max_bytes = None
    except ImageError:
        raise
    # A damaged table of contents makes `zipfile` raise many kinds.
    except Exception as error:
        raise ImageError("expected a whole ZIP, got a damaged one; pack it again") from error
    entries = [
        entry
        for entry in opened.infolist()
        if not entry.is_dir() and not is_system_file(entry.filename.replace("\\", "/"))
    ]
    _check(entries, len(content))
    return [_build_member(opened, entry) for entry in entries]


def _check(entries: list[zipfile.ZipInfo], compressed_bytes: int) -> None:
    if not entries:
        raise ImageError("expected a ZIP with slices, got an empty one; pack a series")
    if len(entries) > MAX_FILES:
        raise ImageError(
            f"expected a ZIP of at most {MAX_FILES:,} files, got {len(entries):,}; pack one series"
        )
    inflated = sum(entry.file_size for entry in entries)
    if inflated > MAX_INFLATED_BYTES:
        raise ImageError(
            f"expected at most {MAX_INFLATED_BYTES // MIB:,} MB in a ZIP, it declares "
            f"{inflated // MIB:,} MB; pack one series"
        )
    if inflated > RATIO_FREE_BYTES + MAX_RATIO * compressed_bytes:
        raise ImageError(
            f"expected a ZIP that unpacks to at most {MAX_RATIO} times its size, it declares "
            f"{inflated // max(compressed_bytes, 1):,} times; no CT series packs so tightly"
        )


def _build_member(opened: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Member:
    refusal = ""
    if entry.flag_bits & _ENCRYPTED:
        refusal = "expected a ZIP without a password, this file needs one; pack it without"
    elif entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        refusal = "expected a ZIP packed the common way (deflate), got another; pack it again"
    elif entry.filename.lower().endswith(".zip"):
        refusal = "expected slices in the ZIP, got a ZIP inside it; unpack that one first"
    elif entry.file_size > MAX_FILE_BYTES:
        refusal = f"expected at most {MAX_FILE_BYTES // MIB} MB in one file; export single slices"
    return Member(entry.filename, entry.file_size, partial(_fetch, opened, entry), refusal)


def _fetch(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, max_bytes: int | None) -> bytes:
    """Inflate the first `max_bytes` bytes of a member; all for None, and check their checksum."""
    try:
        with opened.open(entry) as stream:
            # Never an open-ended read: a member that lies about its size would inflate whole.
            return stream.read(
                entry.file_size if max_bytes is None else min(max_bytes, entry.file_size)
            )
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise ImageError(
            "expected a whole file in the ZIP, got a damaged one; pack it again"
        ) from error
