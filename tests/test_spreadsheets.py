"""CSV for spreadsheets: quoted, and nothing in it runs."""

import csv
import io

from spinefrac import spreadsheets


def test_a_table_comes_back_and_formulas_are_text() -> None:
    rows = [["=1+1", 'a "quote", a comma', None], ["@x", -1, "line\nline"]]
    text = spreadsheets.to_csv(["a", "b", "c"], rows)
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["a", "b", "c"],
        ["'=1+1", 'a "quote", a comma', ""],
        ["'@x", "-1", "line\nline"],
    ]
