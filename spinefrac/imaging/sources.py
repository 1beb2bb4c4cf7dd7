"""Where the bytes of a foreign file are, in words that another process understands."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from spinefrac.errors import ImageError
from spinefrac.imaging.formats import zip_archive
from spinefrac.imaging.formats.zip_archive import Member
from spinefrac.imaging.limits import check_file_size
from spinefrac.system.shared_block import map_block

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


@dataclass(frozen=True, slots=True)
class Source:
    """A file's bytes: `content` itself, a file on disk, or a shared block.

    Attributes
    ----------
    content : bytes
    path : bytes
        As the system writes it; empty where the file is not on disk.
    root : bytes
        Folder, without links, that the file must lie in when it is opened, whatever has become a
        link since it was listed; empty for any.
    block : str
        Name of a `SharedBlock`, which its creator keeps; empty where there is none.
    size : int
        Bytes of the block.
    member : Member or None
        Which file, where the source is a ZIP.
    """

    content: bytes = b""
    path: bytes = b""
    root: bytes = b""
    block: str = ""
    size: int = 0
    member: Member | None = None

    @classmethod
    def from_path(cls, path: Path, root: Path | None = None) -> Source:
        return cls(path=os.fsencode(path), root=os.fsencode(root) if root else b"")


@contextmanager
def open_source(source: Source, max_bytes: int | None = None) -> Iterator[BinaryIO]:
    """Open a file, after its size was checked.

    Parameters
    ----------
    source : Source
    max_bytes : int, optional
        So many bytes suffice: of a member of a ZIP no more are inflated.

    Raises
    ------
    ImageError
        If they are empty, too many, or cannot be read.
    """
    if source.member is not None:
        check_file_size(source.member.size)
        with open_source(replace(source, member=None)) as archive:
            content = zip_archive.read_member(archive, source.member, max_bytes)
        yield io.BytesIO(content)
    elif source.block:
        check_file_size(source.size)
        with map_block(source.block, source.size) as view:
            yield cast(BinaryIO, io.BufferedReader(_ViewReader(view)))
    elif source.path:
        with open_path(Path(os.fsdecode(source.path))) as file:
            if source.root:
                _require_inside(file, os.fsdecode(source.path), os.fsdecode(source.root))
            yield file
    else:
        check_file_size(len(source.content))
        yield io.BytesIO(source.content)


@contextmanager
def open_path(path: Path) -> Iterator[BinaryIO]:
    """Open a file on disk, after its size was checked; errors as `open_source`."""
    try:
        if not path.is_file():
            what = "a folder" if path.is_dir() else "nothing there"
            raise ImageError(f"expected an image file, found {what}; check the path")
        with path.open("rb") as file:
            check_file_size(os.fstat(file.fileno()).st_size)
            yield file
    except OSError as error:
        raise ImageError(
            f"expected a readable file, got {error.strerror or 'an input error'}; "
            "check its permissions"
        ) from error


def _require_inside(file: BinaryIO, path: str, root: str) -> None:
    """Refuse an open file that is not the one below `root`: a folder may have become a link."""
    real = Path(path).resolve()
    if not real.is_relative_to(root) or not os.path.samestat(
        os.fstat(file.fileno()), real.stat(follow_symlinks=False)
    ):
        raise ImageError(
            "expected a file inside the data set's folder, got one that a link leads to elsewhere; "
            "put the file itself there"
        )


class _ViewReader(io.RawIOBase):
    """A memory view as a file."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        target = memoryview(buffer).cast("B")
        count = max(min(len(target), len(self._view) - self._position), 0)
        target[:count] = self._view[self._position : self._position + count]
        self._position += count
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = (0, self._position, len(self._view))[whence]
        self._position = max(start + offset, 0)
        return self._position
