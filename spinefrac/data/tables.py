"""CSV tables as spreadsheets and scripts write them: labels, boxes, groups."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from spinefrac.errors import DatasetError


def read_table(table: Path, columns: Iterable[str]) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV file's rows with their line numbers.

    A byte order mark, CRLF and semicolons instead of commas are accepted. Column
    names are matched without case; values are stripped.

    Parameters
    ----------
    table : Path
    columns : iterable of str
        Lower-case names of the columns that must be there.

    Raises
    ------
    DatasetError
        If the file is not UTF-8 text, or a column is missing.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            head = stream.readline()
            stream.seek(0)
            delimiter = ";" if ";" in head and "," not in head else ","
            reader = csv.reader(stream, delimiter=delimiter)
            names = [name.strip().lstrip("\ufeff").casefold() for name in next(reader, [])]
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
                    rows.append((reader.line_num, dict(zip(names, padded, strict=False))))
            return rows
    except UnicodeDecodeError:
        raise DatasetError(f"{table.name} is not UTF-8 text: save it as CSV UTF-8.") from None
    except csv.Error as error:
        raise DatasetError(f"{table.name} is not a CSV table: {error}.") from None
