"""Tables as CSV that people open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence


def to_csv(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV; text that a spreadsheet would run as a formula is quoted.

    Parameters
    ----------
    titles : sequence of str
    rows : iterable of sequences
        One value a column; None is an empty cell.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(titles)
    writer.writerows([quote_formula(value) for value in row] for row in rows)
    return text.getvalue()


def quote_formula(value: object) -> object:
    """Return text that begins like a formula with an apostrophe in front; other values as they are.

    Examples
    --------
    >>> quote_formula("=1+1"), quote_formula("kim"), quote_formula(-1)
    ("'=1+1", 'kim', -1)
    """
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value
