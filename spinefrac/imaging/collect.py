"""Files to read, wherever their bytes are: in memory, on disk or inside a ZIP."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from spinefrac.errors import ImageError
from spinefrac.imaging.formats import zip_archive
from spinefrac.imaging.limits import MAX_FILES, check_file_size
from spinefrac.imaging.system_files import is_system_file
from spinefrac.records import Unreadable
from spinefrac.slice_order import natural_sort_key

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
    fetch : callable
        Returns the first so many bytes of the content, all of them for None. Safe to call
        from any thread.
    """

    name: str
    size: int
    fetch: Callable[[int | None], bytes] = field(repr=False, compare=False)

    def read_bytes(self) -> bytes:
        """Return all bytes.

        Raises
        ------
        ImageError
            If they cannot be read: removed from disk, or damaged in their ZIP.
        """
        return self.fetch(None)


@dataclass(frozen=True, slots=True)
class CollectedFiles:
    """The files, those inside ZIPs included, and what cannot be read."""

    files: tuple[SourceFile, ...]
    unreadable: tuple[Unreadable, ...] = ()


def file_from_bytes(name: str, content: bytes) -> SourceFile:
    """Return a file in memory."""
    return SourceFile(display_name(name), len(content), lambda most: content[:most])


def file_from_path(path: Path, name: str = "") -> SourceFile:
    """Return a file on disk, called `name` in messages."""
    name = name or path.name

    def fetch(most: int | None) -> bytes:
        try:
            with path.open("rb") as file:
                check_file_size(path.stat().st_size)
                return file.read() if most is None else file.read(most)
        except OSError as error:
            reason = error.strerror or "an input error"
            raise ImageError(
                f"{name}: expected a readable file, got {reason}; check its permissions"
            ) from error

    return SourceFile(name, path.stat().st_size, fetch)


def files_from_folder(folder: Path, prefix: str = "") -> list[SourceFile]:
    """Return every file under a folder, in natural order, named from the folder down."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            found.append(file_from_path(path, prefix + path.relative_to(folder).as_posix()))
            if len(found) > MAX_FILES:
                break
    return sorted(found, key=lambda file: natural_sort_key(file.name))


def is_zip(file: SourceFile) -> bool:
    """Whether a file begins as a ZIP does."""
    return file.fetch(len(zip_archive.SIGNATURE)) in zip_archive.SIGNATURES


def collect_files(files: Iterable[SourceFile]) -> CollectedFiles:
    """Open the ZIPs among `files`, one level deep, and leave out files of the operating system.

    Parameters
    ----------
    files : iterable of SourceFile

    Returns
    -------
    CollectedFiles
        In natural order of the names; a ZIP that cannot be opened, and a member that cannot
        be read, is named with the reason.
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
            for member in zip_archive.list_members(file.read_bytes()):
                name = display_name(member.name)
                if is_system_file(name):
                    continue
                if member.reason:
                    unreadable.append(Unreadable(name, f"{name}: {member.reason}"))
                else:
                    collected.append(SourceFile(name, member.size, member.fetch))
        except ImageError as error:
            unreadable.append(Unreadable(file.name, f"{file.name}: {error}"))
    if len(collected) > MAX_FILES:
        unreadable.append(
            Unreadable(
                f"{len(collected) - MAX_FILES:,} more files",
                f"expected at most {MAX_FILES:,} files at once, got {len(collected):,}; the rest "
                "was left out: read it separately",
            )
        )
    collected.sort(key=lambda file: natural_sort_key(file.name))
    return CollectedFiles(tuple(collected[:MAX_FILES]), tuple(unreadable))


def display_name(name: str) -> str:
    """Return a name that can be shown: no control characters, no bidirectional tricks, not long."""
    name = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name)
    name = name.replace("\\", "/").strip()
    return name if len(name) <= _MAX_NAME_LENGTH else "…" + name[-_MAX_NAME_LENGTH:]
