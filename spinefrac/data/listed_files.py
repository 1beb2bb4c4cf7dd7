"""Find the files that a table names, as other systems wrote their paths."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from pathlib import Path

from spinefrac.data.folder_tree import read_tree


class ListedFiles:
    """The files below a folder, by the paths that tables give for them.

    A path is found with slashes or backslashes, in either Unicode form of an accented letter
    (macOS and some archives take it apart), and, where only one file fits, without case.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._by_key: dict[str, list[str]] | None = None

    def find(self, written: str) -> str | None:
        """Return a file's path relative to the root, with forward slashes; None where none fits.

        Raises
        ------
        ValueError
            If the path leads out of the root.
        """
        if not written or "\0" in written:
            return None
        for candidate in dict.fromkeys((written, written.replace("\\", "/"))):
            path = Path(os.path.normpath(self._root / candidate))
            if not path.is_relative_to(self._root) or not path.resolve().is_relative_to(self._root):
                raise ValueError("the path leads out of the folder")
            relative = path.relative_to(self._root).as_posix()
            if path.is_file():
                return relative
            fitting = self._index().get(_make_key(relative), [])
            if len(fitting) == 1:
                return fitting[0]
        return None

    def _index(self) -> dict[str, list[str]]:
        """Return the files by key; the folder is listed when the first path is not as written."""
        if self._by_key is None:
            self._by_key = defaultdict(list)
            for path, _ in read_tree(self._root).iterate_files():
                relative = path.relative_to(self._root).as_posix()
                self._by_key[_make_key(relative)].append(relative)
        return self._by_key


def _make_key(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()
