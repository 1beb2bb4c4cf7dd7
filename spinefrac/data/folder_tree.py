"""A folder listed once: the names, sizes and times of everything below it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spinefrac.imaging.system_files import is_system_file


@dataclass(frozen=True, slots=True)
class FolderTree:
    """A folder and everything below it, as it was when it was listed.

    Hidden files, what systems leave beside slices, and links to folders are left out.

    Attributes
    ----------
    path : Path
    folders : tuple of FolderTree
        By name.
    files : tuple of str
        Names, sorted. A link counts as the file that it leads to.
    external_links : tuple of str
        Names of links that lead out of the root.
    error : str
        Why the folder cannot be listed, empty where it was.
    digest : str
        SHA-256 over path, size and modification time of every file below, those that are left
        out included: it changes whenever a file is added, removed or written.
    """

    path: Path
    folders: tuple[FolderTree, ...] = ()
    files: tuple[str, ...] = ()
    external_links: tuple[str, ...] = ()
    error: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        return self.path.name

    def iterate_files(self) -> Iterator[tuple[Path, tuple[str, ...]]]:
        """Yield each file below with the names of the folders on the way to it."""
        for name in self.files:
            yield self.path / name, ()
        for folder in self.folders:
            for path, between in folder.iterate_files():
                yield path, (folder.name, *between)

    def count_external_links(self) -> int:
        """Count the links below that lead out of the root."""
        below = sum(folder.count_external_links() for folder in self.folders)
        return len(self.external_links) + below


def read_tree(root: Path) -> FolderTree:
    """List a folder and everything below it, each folder once.

    Parameters
    ----------
    root : Path
        Absolute, links resolved.

    Returns
    -------
    FolderTree
        Folders that cannot be listed carry the reason.
    """
    return _read_folder(root, root)


def _read_folder(path: Path, root: Path) -> FolderTree:
    try:
        with os.scandir(path) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:  # removed meanwhile
        return FolderTree(path)
    except OSError as error:
        return FolderTree(path, error=error.strerror or "an input error")
    digest = hashlib.sha256()
    folders: list[FolderTree] = []
    files: list[str] = []
    external: list[str] = []
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            folder = _read_folder(path / entry.name, root)
            digest.update(_encode(f"{entry.name}/{folder.digest}\n"))
            if not is_system_file(entry.name):
                folders.append(folder)
            continue
        digest.update(_encode(_describe_state(entry)))
        if is_system_file(entry.name):
            continue
        if entry.is_symlink() and not _leads_inside(entry, root):
            if not Path(entry.path).is_dir():
                external.append(entry.name)
        elif entry.is_file():
            files.append(entry.name)
    return FolderTree(
        path, tuple(folders), tuple(files), tuple(external), digest=digest.hexdigest()
    )


def _leads_inside(entry: os.DirEntry[str], root: Path) -> bool:
    """Return whether a link ends below `root`; one that leads to itself does not."""
    try:
        return Path(entry.path).resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # RuntimeError: a loop, before Python 3.13
        return False


def _describe_state(entry: os.DirEntry[str]) -> str:
    """Return name, size and modification time of a file; of a link, its own."""
    try:
        stat = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # removed meanwhile
        return ""
    return f"{entry.name}\0{stat.st_size}\0{stat.st_mtime_ns}\n"


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
