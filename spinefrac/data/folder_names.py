"""Every name that stands in a folder: what a message about it may quote, and a log may not."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePath

from spinefrac.data.class_names import parse_class_label, parse_split

#: Most files that are listed; a folder that no run could read is not worth more.
_MAX_FILES = 500_000
#: Largest table whose cells are read, in bytes.
_MAX_TABLE_BYTES = 64 << 20
#: Folders of every computer, and the word that this program calls itself.
_COMMON_FOLDERS = frozenset(
    ("data", "home", "labels", "media", "mnt", "opt", "root", "runs", "spinefrac", "srv", "tmp",
     "users", "var")
)  # fmt: skip


def collect_names(folder: Path) -> frozenset[str]:
    """Return the names of files and folders below a folder, and the cells of its tables.

    Parameters
    ----------
    folder : Path
        Of a data set; it need not exist any more.

    Returns
    -------
    frozenset of str
        Its own path and the folders that it lies in, paths relative to it, names with and
        without their endings, and the cells of the tables in it. Names of classes and splits,
        numbers and single letters are left out: they name nobody, and every message has them.
    """
    found = {str(folder), *folder.parts}
    for path in islice(_walk(folder), _MAX_FILES):
        relative = path.relative_to(folder)
        found.update((relative.as_posix(), *relative.parts, *_stems(relative.name)))
    with suppress(OSError):
        for table in folder.glob("*.csv"):
            found.update(_read_cells(table))
    return frozenset(filter(_names_somebody, found))


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield Path(place, name)


def _stems(name: str) -> Iterable[str]:
    """Return a name without each of its endings: ``a.nii`` and ``a`` of ``a.nii.gz``."""
    path = PurePath(name)
    while path.suffix:
        path = path.with_suffix("")
        yield path.name


def _read_cells(table: Path) -> Iterator[str]:
    """Yield the cells of a table below its heading, whatever separates them."""
    if table.stat().st_size > _MAX_TABLE_BYTES:
        return
    text = table.read_text(encoding="utf-8", errors="surrogateescape")
    for separator in ",;\t":
        with suppress(csv.Error):
            for row in islice(csv.reader(text.splitlines(), delimiter=separator), 1, None):
                for cell in row:
                    yield cell.strip()
                    yield from PurePath(cell.strip()).parts


def _names_somebody(name: str) -> bool:
    is_common = (
        name.casefold() in _COMMON_FOLDERS
        or parse_class_label(name) is not None
        or bool(parse_split(name))
    )
    return len(name) > 1 and not is_common and any(sign.isalpha() for sign in name)
