"""Labels of scans, levels and ranges: the narrowest row counts, and contradictions are refused."""

import pytest

from spinefrac.data.folder_layouts import list_labelled_files
from spinefrac.data.label_tables.scans import ScanLabel, SliceLabel, label_slices, read_scan_labels
from spinefrac.errors import DatasetError

SCAN_FRACTURED, SCAN_NORMAL = ScanLabel("a", 1), ScanLabel("a", 0)


def level(label: int, first: int | None = None, last: int | None = None, name: str = "C5"):
    return ScanLabel("a", label, name, first, last, where="line 2")


def slices(label: int, first: int, last: int):
    return ScanLabel("a", label, "", first, last, where="line 3")


WITHIN_SCAN, WITHIN_LEVEL = SliceLabel(1, "a"), SliceLabel(1, "a C5")
NO_SCAN, NO_LEVEL = SliceLabel(0, "a"), SliceLabel(0, "a C5")
NO, YES = SliceLabel(0), SliceLabel(1)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([SCAN_FRACTURED], [WITHIN_SCAN] * 4),
        ([SCAN_NORMAL], [NO_SCAN] * 4),
        ([level(1)], [WITHIN_SCAN] * 4),  # a level whose place nobody gave
        ([level(0), level(1, name="C6")], [WITHIN_SCAN] * 4),
        ([level(1, 2, 3)], [None, WITHIN_LEVEL, WITHIN_LEVEL, None]),
        ([SCAN_FRACTURED, level(1, 2, 3)], [None, WITHIN_LEVEL, WITHIN_LEVEL, None]),
        ([SCAN_FRACTURED, level(0, 1, 2)], [NO_LEVEL, NO_LEVEL, WITHIN_SCAN, WITHIN_SCAN]),
        ([SCAN_FRACTURED, slices(1, 2, 2)], [None, YES, None, None]),
        ([slices(0, 1, 1), slices(1, 2, 2), slices(0, 3, 4)], [NO, YES, NO, NO]),
        ([level(1, 2, 4), slices(1, 3, 3)], [None, None, YES, None]),
        ([level(0, 1, 2), level(1, 3, 4, "C6"), slices(1, 3, 3), slices(0, 4, 4)],
         [NO_LEVEL, NO_LEVEL, YES, NO]),
    ],
)  # fmt: skip
def test_a_slice_has_the_label_of_the_narrowest_row(rows, expected):
    assert label_slices(rows, 4) == expected
    assert label_slices(rows[::-1], 4) == expected  # in whatever order


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([slices(1, 3, 5)], "line 3: expected slices within 1 to 4, which a has, got 3 to 5"),
        ([slices(1, 0, 2)], "got 0 to 2"),
        ([slices(1, 3, 2)], "got 3 to 2"),
        ([SCAN_NORMAL, level(1)], "line 2: a is called fractured here, and another row"),
        ([SCAN_NORMAL, SCAN_FRACTURED], "keep the row that is right"),
        ([ScanLabel("a", 1, patient=name) for name in ("x", "y")], "name several patients"),
        ([slices(1, 1, 2), slices(0, 2, 3)], "slice 2 of a is labelled in line 3 too"),
        ([level(1, 1, 2), level(1, 2, 3, "C6")], "slice 2 of a is labelled in line 2 too"),
    ],
)
def test_contradictions_are_refused(rows, message):
    with pytest.raises(DatasetError, match=message):
        label_slices(rows, 4)


def make_studies(root, table: str, **counts: int):
    for name, count in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(1, count + 1):
            (root / name / f"{number}.png").touch()
    (root / "labels.csv").write_text(table)
    return root


def test_slices_are_counted_in_the_natural_order_of_their_names(tmp_path):
    table = "study,first,last,label\na,9,10,fracture\na,1,8,no fracture\nb,1,2,normal\n"
    listing = list_labelled_files(make_studies(tmp_path, table, a=11, b=2))
    assert {f.path for f in listing.files if f.label} == {"a/9.png", "a/10.png"}
    assert len(listing.files) == 12
    assert listing.notes[0].startswith("The labels are of 2 scans: 0 of 12 slices have the label")
    assert listing.notes[1:] == ("Left out 1 slices that no row of labels.csv labels.",)


def test_other_spellings_of_a_table_and_of_folders(tmp_path):
    table = "Study;Label;Patient\nsite\\a;1;Ann\nsite/b/;0;Ben\nsite/c;0;Cyd\n"
    root = make_studies(tmp_path, table, **{"site/a": 2, "site/b": 3})
    listing = list_labelled_files(root)
    assert [(f.study, f.bag, f.row["patient"]) for f in listing.files] == [
        ("site/a", "site/a", "Ann")
    ] * 2 + [("site/b", "site/b", "Ben")] * 3
    assert [entry.path for entry in listing.missing] == ["site/c"]


def test_a_scan_inside_another_is_refused(tmp_path):
    root = make_studies(tmp_path, "study,label\na,1\na/b,0\n", **{"a": 2, "a/b": 1})
    with pytest.raises(DatasetError, match="line 3: a/b holds slices of a too"):
        list_labelled_files(root)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("study,label\na,maybe\n", "line 2: unknown label 'maybe'"),
        ("study,label\n,1\n", "line 2: the study is empty"),
        ("study,first,last,label\na,3,,1\n", "both first and last, or neither"),
        ("study,first,last,label\na,3,x,1\n", "whole numbers as first and last, got '3' and 'x'"),
        ("study,label\n", "no rows"),
        ("study,label\nz,1\n", "No study of labels.csv is a folder with slices, first z"),
        ("study,label\n../a,1\n", "first ../a"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(table, message, tmp_path):
    with pytest.raises(DatasetError, match=message):
        list_labelled_files(make_studies(tmp_path / "set", table, a=3))


def test_a_table_of_paths_is_still_one(tmp_path):
    table = "path,label,study\na/1.png,1,a\na/2.png,0,a\n"
    listing = list_labelled_files(make_studies(tmp_path, table, a=2))
    assert [(file.label, file.study) for file in listing.files] == [(1, ""), (0, "")]


def test_rows_keep_their_place_for_messages(tmp_path):
    (tmp_path / "labels.csv").write_text("study,level,label\na,C5,1\na,C6,0\n")
    found = read_scan_labels(tmp_path / "labels.csv")
    assert [row.where for row in found["a"]] == ["labels.csv line 2", "labels.csv line 3"]
    assert found["a"][0] == ScanLabel("a", 1, "C5")
