"""CSV tables as spreadsheets and scripts write them: labels, boxes, groups."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from spinefrac.errors import DatasetError
from spinefrac.system import reading

#: Longest table that is read, in bytes: a million rows of 100.
MAX_TABLE_BYTES = 100_000_000
#: What separates columns: as in CSV, in CSV where the comma is the decimal sign, in text tables.
_DELIMITERS = ",;\t|"
#: A first line by which Excel is told the delimiter.
_DELIMITER_LINE = re.compile(r"^\"?sep=(.)\"?\r?\n", re.IGNORECASE)


def read_table(table: Path, columns: Iterable[str]) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV file's rows with their line numbers.

    Accepted are UTF-8 and, with a byte order mark, UTF-16; CRLF; semicolons, tabs or bars
    instead of commas; and a first line ``sep=;``. Column names are matched without case; values
    are stripped.

    Parameters
    ----------
    table : Path
    columns : iterable of str
        Lower-case names of the columns that must be there.

    Raises
    ------
    DatasetError
        If the file is not such text, or a column is missing.
    """
    columns = tuple(columns)
    try:
        text = _decode(reading.read_regular_file(table, MAX_TABLE_BYTES))
        first = _DELIMITER_LINE.match(text)
        skipped, text = (1, text[first.end() :]) if first else (0, text)
        delimiter = first[1] if first else _find_delimiter(text, columns)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        names = _normalise_names(next(reader, []))
        missing = [column for column in columns if column not in names]
        if missing:
            raise DatasetError(
                f"{table.name} lacks the column {' and '.join(missing)}: expected "
                f"{','.join(columns)}, found {','.join(names) or 'nothing'}."
            )
        rows = []
        for values in reader:
            if any(value.strip() for value in values):
                padded = [value.strip() for value in values] + [""] * len(names)
                line = reader.line_num + skipped
                row = dict(zip(names, padded, strict=False))
                _require_single_lines(table.name, line, row, columns)
                rows.append((line, {name: _join_lines(value) for name, value in row.items()}))
        return rows
    except reading.UnreadableContentError as error:
        raise DatasetError(f"{table.name} is not a table that is read: {error}.") from None
    except UnicodeDecodeError:
        raise DatasetError(f"{table.name} is not UTF-8 text: save it as CSV UTF-8.") from None
    except csv.Error as error:
        raise DatasetError(f"{table.name} is not a CSV table: {error}.") from None


def has_columns(table: Path, columns: Iterable[str]) -> bool:
    """Return whether a table has some columns; see `read_table`."""
    try:
        read_table(table, columns)
    except DatasetError:
        return False
    return True


def _require_single_lines(
    name: str, line: int, row: dict[str, str], columns: Iterable[str]
) -> None:
    """Refuse a line break within quotes in a column that is needed, as no path or label has one."""
    broken = [column for column in columns if len(row[column].splitlines()) > 1]
    if broken:
        raise DatasetError(
            f"{name} has a line break within quotes in the column {broken[0]}, up to line {line}: "
            "write each row on one line."
        )


def parse_decimal(text: str) -> float:
    """Return a number, with a decimal point or comma.

    >>> parse_decimal("12,5"), parse_decimal("12.5")
    (12.5, 12.5)

    Raises
    ------
    ValueError
        If it is not a number.
    """
    return float(text if "." in text else text.replace(",", ".", 1))


def _decode(content: bytes) -> str:
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_utf16 else "utf-8-sig")


def _normalise_names(header: Sequence[str]) -> list[str]:
    return [_join_lines(name.strip().lstrip("\ufeff").casefold()) for name in header]


def _join_lines(text: str) -> str:
    """Return text within quotes as one line, so that no message about it has several."""
    return " ".join(text.splitlines())


def _find_delimiter(text: str, columns: Sequence[str]) -> str:
    """Return what splits the header into the expected columns, or else into the most."""

    def rate(delimiter: str) -> tuple[int, int]:
        names = _normalise_names(
            next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        )
        return sum(column in names for column in columns), len(names)

    return max(_DELIMITERS, key=rate)
