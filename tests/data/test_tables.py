"""CSV tables as spreadsheets write them: byte order marks, semicolons, blanks, empty rows."""

import pytest

from spinefrac.data.tables import read_table
from spinefrac.errors import DatasetError


def test_a_spreadsheets_table(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_bytes('\ufeffPath;Label ;Site\r\n a.png ; yes ;\r\n;;\r\n"b;c.png";no\r\n'.encode())
    assert read_table(table, ("path", "label")) == [
        (2, {"path": "a.png", "label": "yes", "site": ""}),
        (4, {"path": "b;c.png", "label": "no", "site": ""}),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,label\n", None),
        (b"path\na.png\n", "lacks the column label: expected path,label, found path"),
        (b"", "found nothing"),
        ("path,größe".encode("latin-1"), "not UTF-8"),
        (b'path,label\n"a\n' + b"x" * 200_000, "not a CSV table"),
    ],
)
def test_other_contents(tmp_path, content, message):
    table = tmp_path / "labels.csv"
    table.write_bytes(content)
    if message is None:
        assert read_table(table, ("path", "label")) == []
        return
    with pytest.raises(DatasetError, match=message):
        read_table(table, ("path", "label"))
