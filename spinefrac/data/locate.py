"""Find a model's slices again: the card knows paths within the data set, not where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from spinefrac import imaging
from spinefrac.data.scan import pixel_hash
from spinefrac.errors import DatasetError
from spinefrac.records import CtSlice

#: Folders directly within a root that `guess` looks into.
_MOST_FOLDERS = 200


def allowed_folder(text: str, roots: Sequence[Path]) -> Path:
    """Return the folder that somebody typed, if it lies within one of the roots.

    Parameters
    ----------
    text : str
        An absolute path, or one relative to a root.
    roots : sequence of Path
        Such as `settings.data_roots`.

    Raises
    ------
    DatasetError
        There is no such folder within the roots.
    """
    for root in roots:
        try:
            # A link that leads out of the root is followed before the comparison.
            folder = (root / text.strip()).expanduser().resolve()
            if folder.is_relative_to(root.resolve()) and folder.is_dir():
                return folder
        except (OSError, ValueError, RuntimeError):
            continue
    names = ", ".join(str(root) for root in roots)
    raise DatasetError(
        f"Expected a folder within {names}, got '{text}': choose one there, or add its parent to "
        "SPINEFRAC_DATA_ROOTS"
    )


def guess(path: str, roots: Sequence[Path]) -> Path | None:
    """Return the root, or the folder directly within one, that holds a data set's slice."""
    for root in roots:
        if not root.is_dir():
            continue
        inside = [entry for entry in sorted(root.iterdir())[:_MOST_FOLDERS] if entry.is_dir()]
        for folder in (root, *inside):
            if (folder / path).is_file():
                return folder
    return None


def read_slice(folder: Path, path: str, digest: str = "") -> CtSlice:
    """Read a slice of a data set, and make sure that it is the one that is meant.

    Parameters
    ----------
    folder : Path
    path : str
        Within it, with forward slashes.
    digest : str
        Its `Item.pixel_hash`, empty where that was not kept.

    Raises
    ------
    DatasetError
        It is not there, or it is another slice now.
    ImageError
        It cannot be read.
    """
    parts = PurePosixPath(path)
    file = folder / parts
    if parts.is_absolute() or ".." in parts.parts or not file.is_file():
        raise DatasetError(f"Expected {path} in this folder, got none: choose the data set's own")
    ct = imaging.read(file, name=parts.name)
    if digest and pixel_hash(ct) != digest:
        raise DatasetError(
            f"Expected {path} as it was when the model answered on it, got other pixels: choose "
            "the data set that the answers are of"
        )
    return ct
