"""Files to read, wherever their bytes are: in memory, on disk or inside a ZIP."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
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
        try:
            return self.fetch(None)
        except ImageError as error:
            raise ImageError(f"{self.name}: {error}") from error.__cause__


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

    def fetch(most: int | None) -> bytes:
        try:
            with path.open("rb") as file:
                check_file_size(path.stat().st_size)
                return file.read() if most is None else file.read(most)
        except OSError as error:
            reason = error.strerror or "an input error"
            raise ImageError(
                f"expected a readable file, got {reason}; check its permissions"
            ) from error

    return SourceFile(name or path.name, path.stat().st_size, fetch)


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
    found: list[SourceFile] = []
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

    for parent, _, names in os.walk(folder, onerror=note_unreadable):
        for name in names:
            path = Path(parent, name)
            try:
                if path.is_file():
                    found.append(file_from_path(path, path.relative_to(folder).as_posix()))
            except FileNotFoundError:  # removed meanwhile
                continue
    collected = collect_files(found)
    return CollectedFiles(collected.files, (*collected.unreadable, *unreadable))


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
    try:
        listed = zip_archive.list_members(file.fetch(None))
    except ImageError as error:
        raise ImageError(f"{file.name}: {error}") from error.__cause__
    for member in listed:
        name = display_name(member.name)
        if member.reason:
            unreadable.append(Unreadable(name, f"{name}: {member.reason}"))
        else:
            members.append(SourceFile(name, member.size, member.fetch))
    members.sort(key=lambda member: natural_sort_key(member.name))
    return CollectedFiles(tuple(members), tuple(unreadable))


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
