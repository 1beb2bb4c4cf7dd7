"""Files to read, wherever their bytes are: in memory, on disk or inside a ZIP."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from spinefrac.errors import ImageError
from spinefrac.imaging import decoder_pool
from spinefrac.imaging.formats import zip_archive
from spinefrac.imaging.formats.zip_archive import Member
from spinefrac.imaging.limits import MAX_FILES
from spinefrac.imaging.sources import Source, open_source
from spinefrac.imaging.system_files import is_system_file
from spinefrac.records import Unreadable
from spinefrac.slice_order import natural_sort_key
from spinefrac.system.shared_block import SharedBlock

#: Longest name that is shown, in characters; of a longer one the end, which distinguishes files.
_MAX_NAME_LENGTH = 120


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file; its bytes are fetched on demand.

    Attributes
    ----------
    name : str
        As the user knows it, for messages and tables only: nothing is opened or written under
        it.
    size : int
        Bytes.
    locate : callable
        Returns where the bytes are. Safe to call from any thread.
    stored_bytes : int
        Bytes that came from the user, before anything was unpacked.
    owner : str
        The session whose file it is; empty outside of a server.
    """

    name: str
    size: int
    locate: Callable[[], Source] = field(repr=False, compare=False)
    stored_bytes: int = 0
    owner: str = ""

    def fetch(self, max_bytes: int | None = None) -> bytes:
        """Return the first `max_bytes` bytes, all of them for None; no message names the file.

        Raises
        ------
        ImageError
        """
        source = self.locate()
        if source.member is not None:
            return decoder_pool.read_bytes(source, max_bytes, owner=self.owner)
        with open_source(source) as file:
            return file.read(-1 if max_bytes is None else max_bytes)

    def read_bytes(self) -> bytes:
        """Return all bytes.

        Raises
        ------
        ImageError
            If they cannot be read: removed from disk, or damaged in their ZIP.
        """
        try:
            return self.fetch()
        except ImageError as error:
            raise ImageError(f"{self.name}: {error}") from error.__cause__

    def hold(self, size: int | None = None) -> SourceFile:
        """Return the file for many reads: in shared memory, unpacked, from the first of them on.

        Parameters
        ----------
        size : int, optional
            Bytes once unpacked, where it is a gzip; a file on disk that is none stays there.
        """
        if size is None and self.locate().path and self.locate().member is None:
            return self
        held = _HeldFile(self, self.size if size is None else size)
        return replace(self, size=held.size, locate=held)


class _HeldFile:
    """Locates a file in shared memory, where the first call puts it."""

    def __init__(self, file: SourceFile, size: int) -> None:
        self.size = size
        self._file = file
        self._lock = threading.Lock()
        self._block: SharedBlock | None = None

    def __call__(self) -> Source:
        with self._lock:
            if self._block is None:
                file = self._file
                self._block = decoder_pool.unpack(file.locate(), self.size, owner=file.owner)
            return Source(block=self._block.name, size=self.size)


@dataclass(frozen=True, slots=True)
class CollectedFiles:
    """The files, those inside ZIPs included, and what cannot be read."""

    files: tuple[SourceFile, ...]
    unreadable: tuple[Unreadable, ...] = ()


def file_from_bytes(name: str, content: bytes, owner: str = "") -> SourceFile:
    """Return a file in memory."""
    source, size = Source(content=content), len(content)
    return SourceFile(display_name(name), size, lambda: source, size, owner)


def file_from_path(path: Path, name: str = "") -> SourceFile:
    """Return a file on disk, called `name` in messages."""
    source, size = Source.from_path(path.absolute()), path.stat().st_size
    return SourceFile(name or path.name, size, lambda: source, size)


def is_zip(file: SourceFile) -> bool:
    """Whether a file begins as a ZIP does; one that cannot be read does not."""
    try:
        return file.fetch(len(zip_archive.SIGNATURE)) in zip_archive.SIGNATURES
    except ImageError:
        return False  # whoever reads it says why


def collect_folder(folder: Path) -> CollectedFiles:
    """Collect every file under a folder as `collect_files` does, named from the folder down.

    Folders that cannot be listed are among the unreadable ones.
    """
    unreadable: list[Unreadable] = []

    def note_unreadable(error: OSError) -> None:
        name = f"{Path(error.filename).relative_to(folder).as_posix()}/"
        reason = error.strerror or "an input error"
        unreadable.append(
            Unreadable(
                name,
                f"{name}: expected a readable folder, got {reason}; check its permissions",
            )
        )

    collected = collect_files(files_from_folder(folder, note_unreadable))
    return CollectedFiles(collected.files, (*collected.unreadable, *unreadable))


def files_from_folder(
    folder: Path, note_unreadable: Callable[[OSError], None] | None = None
) -> list[SourceFile]:
    """Return every file under a folder, named from the folder down.

    Parameters
    ----------
    folder : Path
    note_unreadable : callable, optional
        Called with the error of each folder that cannot be listed.
    """
    found = []
    for parent, _, names in os.walk(folder, onerror=note_unreadable):
        for name in names:
            path = Path(parent, name)
            try:
                if path.is_file():
                    found.append(file_from_path(path, path.relative_to(folder).as_posix()))
            except FileNotFoundError:  # removed meanwhile
                continue
    return found


def collect_files(files: Iterable[SourceFile]) -> CollectedFiles:
    """Open the ZIPs among `files`, one level deep, and leave out what systems leave.

    Parameters
    ----------
    files : iterable of SourceFile

    Returns
    -------
    CollectedFiles
        In natural order of the names, of more than `limits.MAX_FILES` the first; a ZIP that
        cannot be opened, and a member that cannot be read, is named with the reason.
    """
    collected: list[SourceFile] = []
    unreadable: list[Unreadable] = []
    for file in files:
        if is_system_file(file.name):
            continue
        if not is_zip(file):
            collected.append(file)
            continue
        try:
            inside = open_zip(file)
        except ImageError as error:
            unreadable.append(Unreadable(file.name, str(error)))
            continue
        collected += inside.files
        unreadable += inside.unreadable
    collected.sort(key=lambda file: natural_sort_key(file.name))
    if left_out := collected[MAX_FILES:]:
        unreadable.append(
            Unreadable(
                f"{len(left_out):,} more files",
                f"expected at most {MAX_FILES:,} files at once, got {len(collected):,}; the first "
                f"{MAX_FILES:,} in order of their names were read, and {len(left_out):,} from "
                f"{left_out[0].name} on were not: read these separately",
            )
        )
    return CollectedFiles(tuple(collected[:MAX_FILES]), tuple(unreadable))


def open_zip(file: SourceFile) -> CollectedFiles:
    """Return the members of a ZIP, those that must not be read with the reason.

    Raises
    ------
    ImageError
        If it cannot be opened.
    """
    members: list[SourceFile] = []
    unreadable: list[Unreadable] = []
    archive = file.hold()
    try:
        listed = decoder_pool.list_members(archive.locate(), owner=file.owner)
    except ImageError as error:
        raise ImageError(f"{file.name}: {error}") from error.__cause__
    for member in listed:
        name = display_name(member.name)
        if member.reason:
            unreadable.append(Unreadable(name, f"{name}: {member.reason}"))
        else:
            locate = partial(_locate_member, archive, member)
            members.append(SourceFile(name, member.size, locate, member.packed_size, file.owner))
    members.sort(key=lambda member: natural_sort_key(member.name))
    return CollectedFiles(tuple(members), tuple(unreadable))


def _locate_member(archive: SourceFile, member: Member) -> Source:
    return replace(archive.locate(), member=member)


def rename_files(collected: CollectedFiles, prefix: str) -> CollectedFiles:
    """Put `prefix` before every name, also in the reasons."""
    return CollectedFiles(
        tuple(replace(file, name=prefix + file.name) for file in collected.files),
        tuple(
            Unreadable(
                prefix + entry.path,
                prefix + entry.reason if entry.reason.startswith(entry.path) else entry.reason,
            )
            for entry in collected.unreadable
        ),
    )


def display_name(name: str) -> str:
    """Return a name that can be shown: no control characters, no bidirectional tricks, not long."""
    name = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name)
    name = name.replace("\\", "/").strip()
    return name if len(name) <= _MAX_NAME_LENGTH else "…" + name[-_MAX_NAME_LENGTH:]
