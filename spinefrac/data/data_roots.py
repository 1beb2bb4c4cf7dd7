"""Folders that pages and REST may read: list them, check one, read a slice in it.

Everything that a user types or sends goes through `resolve_folder` or `resolve_file`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from spinefrac.data.class_names import parse_class_label, parse_split
from spinefrac.data.scan import hash_pixels
from spinefrac.errors import DatasetError
from spinefrac.imaging import decoder_pool
from spinefrac.imaging.system_files import is_system_file
from spinefrac.records import CtSlice
from spinefrac.slice_order import natural_sort_key

#: Folders directly within a root that `find_dataset_folder` searches.
_MAX_FOLDERS = 200
#: Levels below a root that `list_dataset_folders` descends, and the most folders that it returns.
_MAX_DEPTH, _MAX_LISTED = 3, 500


def resolve_folder(text: str | os.PathLike[str], roots: Sequence[Path]) -> Path:
    """Return the folder that a user typed or chose, if it lies within one of the roots.

    Links are followed before the comparison, so one that leads out of the roots is refused.

    Parameters
    ----------
    text : str or path
        An absolute path, one relative to a root, or what `display_path` returns.
    roots : sequence of Path
        Such as `settings.data_roots`.

    Raises
    ------
    DatasetError
        There is no such folder within the roots.
    """
    for path in _resolve_within(text, roots, stat.S_ISDIR):
        return path
    raise DatasetError(
        f"Expected a folder within {_join_roots(roots)}, got '{_truncate(text)}'{_HINT}"
    )


def resolve_file(text: str | os.PathLike[str], roots: Sequence[Path]) -> Path:
    """Return the file that a user typed, if it lies within one of the roots.

    See `resolve_folder`.

    Raises
    ------
    DatasetError
        There is no such file within the roots.
    """
    for path in _resolve_within(text, roots, stat.S_ISREG):
        return path
    raise DatasetError(
        f"Expected a file within {_join_roots(roots)}, got '{_truncate(text)}'{_HINT}"
    )


_HINT = ": choose one there, or have its parent folder added to SPINEFRAC_DATA_ROOTS"


def _resolve_within(
    text: str | os.PathLike[str], roots: Sequence[Path], kind: Callable[[int], bool]
) -> Iterator[Path]:
    """Yield what a text may mean below the roots, links followed; nothing outside them."""
    written = os.fspath(text).strip()
    if not written:
        return
    for root in roots:
        for base in (root, root.parent):  # the root's own name may stand first, see `display_path`
            try:
                path = (base / written).resolve()
                if path.is_relative_to(root.resolve()) and kind(path.stat().st_mode):
                    yield path
            except (OSError, ValueError, RuntimeError):  # not there, or no path at all
                continue


def _truncate(text: str | os.PathLike[str]) -> str:
    """Return what was typed, short enough for a message."""
    written = os.fspath(text)
    return written if len(written) <= 200 else f"{written[:200]}…"


def _join_roots(roots: Sequence[Path]) -> str:
    return ", ".join(str(root) for root in roots)


def list_dataset_folders(roots: Sequence[Path]) -> list[Path]:
    """Return the folders that may be data sets: the roots and what lies below them.

    What is inside a data set (class folders, patients) is left out, and so are hidden folders
    and links. At most a few hundred are returned, from three levels.

    Parameters
    ----------
    roots : sequence of Path
        Such as `settings.data_roots`; those that do not exist are left out.

    Returns
    -------
    list of Path
        Of each root in turn: itself first where it holds slices, then those below by name.
    """
    found: list[Path] = []
    for root in roots:
        if root.is_dir():
            found += _iterate_datasets(root, _MAX_DEPTH)
    return list(dict.fromkeys(found))[:_MAX_LISTED]


def _iterate_datasets(folder: Path, depth: int) -> Iterator[Path]:
    """Yield `folder` if it is a data set or has no folder inside; otherwise what is below."""
    try:
        with os.scandir(folder) as entries:
            inside = list(entries)
        folders = sorted(
            (
                entry.name
                for entry in inside
                if not is_system_file(entry.name) and entry.is_dir(follow_symlinks=False)
            ),
            key=natural_sort_key,
        )
    except OSError:  # no permission
        return
    names = {entry.name.casefold() for entry in inside}
    if names & {"labels.csv", "train.csv"} or _contain_classes(folder, folders):
        yield folder
    elif folders and depth:
        for name in folders:
            yield from _iterate_datasets(folder / name, depth - 1)
    elif depth < _MAX_DEPTH:  # an empty root is not offered
        yield folder


def list_subfolders(folder: Path) -> list[Path]:
    """Return the folders directly inside, by name; hidden ones and links are left out.

    At most a few hundred are returned, and none where the folder may not be read.
    """
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name
                for entry in entries
                if not is_system_file(entry.name) and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return []
    return [folder / name for name in sorted(names, key=natural_sort_key)[:_MAX_LISTED]]


def _contain_classes(folder: Path, folders: Sequence[str]) -> bool:
    """Whether these are class folders, or splits with class folders inside."""
    if any(parse_class_label(name) is not None for name in folders):
        return True
    splits = [folder / name for name in folders if parse_split(name)]
    try:
        return any(parse_class_label(path.name) is not None for s in splits for path in s.iterdir())
    except OSError:
        return False


def display_path(folder: Path, roots: Sequence[Path]) -> str:
    """Return a folder as people choose it, ``root/below``; `resolve_folder` takes it back."""
    names = [root.name for root in roots]
    for root in roots:
        if folder.is_relative_to(root) and names.count(root.name) == 1:
            return (PurePosixPath(root.name) / folder.relative_to(root).as_posix()).as_posix()
    return str(folder)


def find_dataset_folder(path: str, roots: Sequence[Path]) -> Path | None:
    """Return the root, or the folder directly within one, that holds a data set's slice."""
    for root in roots:
        if not root.is_dir():
            continue
        inside = [entry for entry in sorted(root.iterdir())[:_MAX_FOLDERS] if entry.is_dir()]
        for folder in (root, *inside):
            if (folder / path).is_file():
                return folder
    return None


def read_slice(folder: Path, path: str, expected_hash: str = "") -> CtSlice:
    """Read a slice of a data set, and check that its pixels are the expected ones.

    Parameters
    ----------
    folder : Path
    path : str
        Within it, with forward slashes.
    expected_hash : str
        Its `Item.pixel_hash`, empty where it is not known.

    Raises
    ------
    DatasetError
        It is not there, or its pixels have changed.
    ImageError
        It cannot be read.
    """
    parts = PurePosixPath(path)
    file = folder / parts
    if parts.is_absolute() or ".." in parts.parts or not file.is_file():
        raise DatasetError(f"Expected {path} in this folder, got none: choose the data set's own")
    ct = decoder_pool.read(file, name=parts.name)
    if expected_hash and hash_pixels(ct) != expected_hash:
        raise DatasetError(
            f"Expected {path} as it was when the model predicted it, got other pixels: choose "
            "the data set of the predictions"
        )
    return ct
