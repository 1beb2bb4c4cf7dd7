"""The names of a saved table's slices: numbered in the table, kept beside the runs.

Tables of predictions are in the folders of models and of evaluations, which are copied and sent.
Paths, groups and series in them are numbers; ``HOME/runs/names/<SHA-256 of the table>.json``,
readable by its owner only, says which name each number stands for. It is found by the table
itself, so a renamed or duplicated model has its names, and a model on another machine has none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from spinefrac import settings
from spinefrac.redaction import Information, Output, is_kept
from spinefrac.slice_order import natural_sort_key
from spinefrac.system import atomic, private_files

#: A table by its columns, each a sequence of N texts.
Columns = Mapping[str, Sequence[str]]

PATH_COLUMN = "path"

#: Columns of numbers, hashes and properties of the scanner; they name nobody.
_NAMELESS_COLUMNS = frozenset(
    ("label", "fold", "logit", "probability", "pixel_hash", "position", "size", "scanner")
)
_KINDS = {PATH_COLUMN: Information.FILE_NAMES, "group": Information.GROUPS}
_PREFIXES = {PATH_COLUMN: "slice"}
#: Stands in a subgroup's column where the value is not known.
_UNKNOWN_VALUES = ("", "unknown")


def number_columns(
    columns: Columns, output: Output, *, keep_names: bool = False
) -> dict[str, tuple[str, ...]]:
    """Replace names by numbers where the policy has them numbered.

    Parameters
    ----------
    columns : mapping of str to sequence of str, length N
        With the column ``path``. Equal values get equal numbers; numbers follow the natural order
        of the names, so that slices sort as before. Columns of numbers stay as they are.
    output : Output
    keep_names : bool
        Whether the user asked for the names.

    >>> number_columns({"path": ["b/10.png", "b/9.png"], "group": ["B", "B"]}, Output.EXPORT)
    {'path': ('slice-000001', 'slice-000000'), 'group': ('group-00000', 'group-00000')}
    """
    paths = columns[PATH_COLUMN]
    # By the name before the folders: the slices of a series may lie in two class folders.
    order = sorted(
        range(len(paths)),
        key=lambda row: (natural_sort_key(paths[row].rpartition("/")[2]), paths[row]),
    )
    numbered = {}
    for name, values in columns.items():
        kind = _KINDS.get(name, Information.SERIES)
        if name in _NAMELESS_COLUMNS or is_kept(output, kind, requested=keep_names):
            numbered[name] = tuple(values)
        else:
            digits = 6 if name == PATH_COLUMN else 5
            numbered[name] = _number(values, order, _PREFIXES.get(name, name), digits)
    return numbered


def _number(
    values: Sequence[str], order: Sequence[int], prefix: str, digits: int
) -> tuple[str, ...]:
    """Number the values in the order of the rows; values that are such numbers already stay."""
    pattern = re.compile(rf"{re.escape(prefix)}-\d{{{digits}}}")
    if all(value in _UNKNOWN_VALUES or pattern.fullmatch(value) for value in values):
        return tuple(values)
    known = dict.fromkeys(values[row] for row in order if values[row] not in _UNKNOWN_VALUES)
    number_of = {value: f"{prefix}-{n:0{digits}}" for n, value in enumerate(known)}
    return tuple(number_of.get(value, value) for value in values)


def save_names(digest: str, names: Columns) -> None:
    """Keep the names of a table's slices.

    Parameters
    ----------
    digest : str
        SHA-256 of the table's bytes, hexadecimal.
    names : mapping of str to sequence of str
        The columns that the table has numbers of; ``folder`` may name the data set's folder.

    Raises
    ------
    OSError
        They cannot be written.
    """
    path = _names_path(digest)
    private_files.make_folder(path.parent)
    with atomic.replacing(path) as temporary, temporary.open("w", encoding="ascii") as stream:
        json.dump({name: list(values) for name, values in names.items()}, stream)


def read_names(digest: str) -> dict[str, tuple[str, ...]]:
    """Return the names of a table's slices by column; empty where none are kept here."""
    try:
        content = json.loads(_names_path(digest).read_text(encoding="ascii"))
        return {name: tuple(values) for name, values in content.items()}
    except (OSError, ValueError, AttributeError, TypeError):  # the numbers will do
        return {}


def restore_names(columns: Columns, digest: str) -> dict[str, Sequence[str]]:
    """Return a table's columns with the names that are kept for it here."""
    names = read_names(digest)
    return {
        name: names[name] if len(names.get(name, ())) == len(values) else values
        for name, values in columns.items()
    }


def delete_names(digest: str) -> None:
    """Remove the names of a table that was purged."""
    with suppress(OSError):
        _names_path(digest).unlink(missing_ok=True)


def _names_path(digest: str) -> Path:
    return settings.runs_dir() / "names" / f"{digest}.json"
