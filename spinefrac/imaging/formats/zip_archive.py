"""ZIP archives, read in bounds: nothing is ever unpacked to disk.

A member's name reaches messages only, so no name can point anywhere. What a ZIP declares is
checked before anything is inflated, and no more is inflated than a member declares.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import BinaryIO, cast

from spinefrac.errors import ImageError
from spinefrac.imaging.limits import MAX_FILE_BYTES, MAX_FILES, MIB, check_expansion
from spinefrac.imaging.system_files import is_system_file

#: How a ZIP begins; the second is an empty one, the third one in several parts.
SIGNATURE = b"PK\x03\x04"
SIGNATURES = (SIGNATURE, b"PK\x05\x06", b"PK\x07\x08")

#: Most bytes that the members may take once inflated.
MAX_INFLATED_BYTES = 2048 * MIB

#: Most bytes of the table of contents, which `zipfile` reads whole: 10,000 long names fit.
_MAX_DIRECTORY_BYTES = 8 * MIB

_ENCRYPTED = 0x1

#: Signature, and the lengths of name and extra field, which precede a member's bytes.
_LOCAL_HEADER = struct.Struct("<4s22xHH")


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a ZIP: its name as the ZIP gives it, and where its bytes are.

    Attributes
    ----------
    name : str
    size, packed_size : int
        Bytes, and bytes within the ZIP.
    offset : int
        Of its local header, from the start of the ZIP.
    checksum : int
        CRC-32 of its bytes.
    is_deflated : bool
    reason : str
        Why it must not be read, empty where it can be.
    """

    name: str
    size: int
    packed_size: int
    offset: int
    checksum: int
    is_deflated: bool
    reason: str = ""


class _BoundedReader(io.BufferedReader):
    """A file of which no more than `_MAX_DIRECTORY_BYTES` can be read at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MAX_DIRECTORY_BYTES:
            raise ImageError(
                f"expected a ZIP of at most {MAX_FILES:,} files, got one whose table of contents "
                "is far longer; pack one series"
            )
        return super().read(size)


def list_members(file: BinaryIO) -> list[Member]:
    """List the files of an open ZIP.

    Parameters
    ----------
    file : binary file
        Seekable.

    Returns
    -------
    list of Member
        Folders, and files that systems leave, left out. Members with a password, ZIPs inside
        the ZIP and members larger than `limits.MAX_FILE_BYTES` carry their refusal.

    Raises
    ------
    ImageError
        If the ZIP is damaged, empty, has more than `limits.MAX_FILES` files, or declares
        more than `MAX_INFLATED_BYTES` or too many times its size.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    try:
        opened = zipfile.ZipFile(_BoundedReader(cast(io.RawIOBase, file)))
    except ImageError:
        raise
    # A damaged table of contents makes `zipfile` raise many kinds.
    except Exception as error:
        raise ImageError("expected a whole ZIP, got a damaged one; pack it again") from error
    entries = [
        entry
        for entry in opened.infolist()
        # Not `is_dir`, which fails on an empty name before Python 3.12.
        if not entry.filename.endswith("/")
        and not is_system_file(entry.filename.replace("\\", "/"))
    ]
    _check(entries, size)
    return [_build_member(entry) for entry in entries]


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
    check_expansion(inflated, compressed_bytes)


def _build_member(entry: zipfile.ZipInfo) -> Member:
    refusal = ""
    if entry.flag_bits & _ENCRYPTED:
        refusal = "expected a ZIP without a password, this file needs one; pack it without"
    elif entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        refusal = "expected a ZIP packed the common way (deflate), got another; pack it again"
    elif entry.filename.lower().endswith(".zip"):
        refusal = "expected slices in the ZIP, got a ZIP inside it; unpack that one first"
    elif entry.file_size > MAX_FILE_BYTES:
        refusal = f"expected at most {MAX_FILE_BYTES // MIB} MB in one file; export single slices"
    return Member(
        name=entry.filename,
        size=entry.file_size,
        packed_size=entry.compress_size,
        offset=entry.header_offset,
        checksum=entry.CRC,
        is_deflated=entry.compress_type == zipfile.ZIP_DEFLATED,
        reason=refusal,
    )


def read_member(file: BinaryIO, member: Member, max_bytes: int | None = None) -> bytes:
    """Inflate the first `max_bytes` bytes of a member; all for None, and check their checksum.

    The table of contents is not read again, as there are ZIPs with thousands of members. Never
    more is inflated than the member declares.

    Raises
    ------
    ImageError
        If the member is damaged.
    """
    wanted = member.size if max_bytes is None else min(max_bytes, member.size)
    try:
        packed = _read_packed(file, member)
        found = packed
        if member.is_deflated:
            found = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, max(wanted, 1))
        if len(found) < wanted or (max_bytes is None and zlib.crc32(found) != member.checksum):
            raise ValueError("other bytes than the table of contents says")
    except (zlib.error, struct.error, OSError, ValueError, OverflowError) as error:
        raise ImageError(
            "expected a whole file in the ZIP, got a damaged one; pack it again"
        ) from error
    return found[:wanted]


def _read_packed(file: BinaryIO, member: Member) -> bytes:
    """Return the bytes behind a member's local header (APPNOTE.TXT, 4.3.7)."""
    file.seek(member.offset)
    head = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    signature, name_length, extra_length = head
    if signature != SIGNATURE:
        raise ValueError("no local header")
    file.seek(name_length + extra_length, io.SEEK_CUR)
    packed = file.read(member.packed_size)
    if len(packed) < member.packed_size:
        raise ValueError("the ZIP ends early")
    return packed
