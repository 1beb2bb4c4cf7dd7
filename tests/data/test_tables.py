"""CSV tables as spreadsheets write them: byte order marks, semicolons, blanks, empty rows."""

import pytest

from spinefrac.data import tables
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
    "text",
    [
        "path\tlabel\tnote\na, b.png\t1\tx;y\n",
        "sep=;\npath;label;note\na, b.png;1;x;y\n",
        '"sep=;"\r\npath;label;note\r\na, b.png;1\r\n',
        'path;label;"note, free"\na, b.png;1;z\n',
        '"path"|"label"\n"a, b.png"|"1"\n',
        '"path","label"\n"a, b.png","1"\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_delimiters_and_encodings_of_spreadsheets(tmp_path, text, encoding):
    table = tmp_path / "labels.csv"
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    table.write_bytes(mark + text.encode(encoding))
    ((line, row),) = read_table(table, ("path", "label"))
    assert (row["path"], row["label"]) == ("a, b.png", "1")
    assert line == (3 if "sep=" in text else 2)


def test_columns_that_no_one_asked_for_are_separated_too(tmp_path):
    (tmp_path / "a.csv").write_text('image;class;"left, right"\n1.png;0;3\n')
    ((_, row),) = read_table(tmp_path / "a.csv", ())
    assert row == {"image": "1.png", "class": "0", "left, right": "3"}


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


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028"])
def test_a_line_break_within_quotes_is_named_where_it_matters(tmp_path, end):
    table = tmp_path / "labels.csv"
    table.write_text(f'path,label,"no{end}te"\na.png,1,"two{end}lines"\n', newline="")
    ((_, row),) = read_table(table, ("path", "label"))
    assert row == {"path": "a.png", "label": "1", "no te": "two lines"}
    table.write_text(f'path,label\n"fract{end}ure/a.png",1\n', newline="")
    with pytest.raises(DatasetError, match="line break within quotes in the column path") as caught:
        read_table(table, ("path", "label"))
    assert str(caught.value).isprintable()


def test_a_table_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_TABLE_BYTES", 20)
    (tmp_path / "labels.csv").write_text("path,label\na.png,1\nb.png,0\n")
    with pytest.raises(DatasetError, match="more than 20 bytes"):
        read_table(tmp_path / "labels.csv", ("path", "label"))
