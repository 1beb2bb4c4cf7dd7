"""Layouts on disk: what is listed, with which label, and what is refused."""

import unicodedata
from pathlib import Path

import pytest

from spinefrac.data.boxes import read_boxes
from spinefrac.data.class_names import parse_class_label
from spinefrac.data.folder_layouts import list_labelled_files
from spinefrac.errors import DatasetError


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"listed, never decoded")


def listed(root: Path) -> dict[str, int]:
    return {file.path: file.label for file in list_labelled_files(root).files}


@pytest.mark.parametrize(
    ("name", "label"),
    [
        *[(name, 1) for name in ("fracture", "Fractured", "POSITIVE", "abnormal", "Yes", "1")],
        *[(name, 0) for name in ("normal", "no_fracture", "no-fracture", "nofracture")],
        *[(name, 0) for name in ("not fractured", "Not__Fractured", "negative", "healthy")],
        *[(name, 0) for name in ("no", "0", " No Fracture ")],
        *[(name, None) for name in ("", "masks", "fracture2", "10", "nothing")],
    ],
)
def test_class_names_are_matched_without_case_and_separators(name, label):
    assert parse_class_label(name) == label


def test_class_folders_are_read_at_any_depth_and_others_named(tmp_path):
    touch(tmp_path, "Fracture/P1/a.png", "No-Fracture/b.png", "masks/a.png", "README.md")
    listing = list_labelled_files(tmp_path)
    assert listed(tmp_path) == {"Fracture/P1/a.png": 1, "No-Fracture/b.png": 0}
    assert listing.files[0].folders == ("P1",)
    assert listing.notes == ("Left out 1 folder that is not a class folder.",)
    assert listing.details == ("Left out masks: not a class folder.",)


def test_split_folders_are_one_set_with_a_split_column(tmp_path):
    touch(
        tmp_path,
        "train/fracture/a.png",
        "train/normal/b.png",
        "Valid/fracture/c.png",
        "test/normal/d.png",
        "test/unsorted/e.png",
    )
    listing = list_labelled_files(tmp_path)
    assert {file.path: file.split for file in listing.files} == {
        "train/fracture/a.png": "train",
        "train/normal/b.png": "train",
        "Valid/fracture/c.png": "val",
        "test/normal/d.png": "test",
    }
    assert listing.notes == ("Left out 1 folder that is not a class folder.",)
    assert listing.details == ("Left out test/unsorted: not a class folder.",)


def test_hidden_files_and_links_out_of_the_root_are_left_out(tmp_path):
    root = tmp_path / "root"
    junk = ("fracture/.DS_Store", "fracture/Thumbs.db", "__MACOSX/x", "normal/__MACOSX/._b.png")
    touch(root, "fracture/a.png", "normal/b.png", "normal/.cache/c.png", *junk)
    touch(tmp_path, "outside.png", "elsewhere/d.png")
    (root / "fracture/link.png").symlink_to(tmp_path / "outside.png")
    (root / "normal/folder").symlink_to(tmp_path / "elsewhere")
    (root / "normal/inside.png").symlink_to(root / "normal/b.png")
    assert set(listed(root)) == {"fracture/a.png", "normal/b.png", "normal/inside.png"}
    assert list_labelled_files(root).notes == ("Left out 1 links that lead out of the folder.",)


def test_folders_of_one_class_are_read_together_and_noted(tmp_path):
    touch(tmp_path, "fracture/a.png", "normal/b.png", "healthy/c.png")
    assert listed(tmp_path) == {"fracture/a.png": 1, "normal/b.png": 0, "healthy/c.png": 0}
    listing = list_labelled_files(tmp_path)
    assert listing.notes == ("Read 2 folders as one class, no fracture.",)
    assert "healthy, normal as one class, no fracture" in listing.details[0]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ((), "empty"),
        ((".DS_Store",), "empty"),
        (("cats/a.png", "dogs/b.png"), "found the folders cats, dogs and 0 files.*nofracture"),
        (("a.png", "b.png"), "found no folder and 2 files"),
        (("set/fracture/a.png", "set/normal/b.png"), "inside 'set'"),
        (("fracture/a.png",), "all 1 files mean 'fracture'"),
        (("fracture/a.png", "positive/b.png"), "all 2 files mean 'fracture'"),
        (("fracture/a.png", "normal/.keep"), "all 1 files mean 'fracture'"),
        (("fracture/a.png", "sound/b.png"), "name that is not known. Left out sound: not a class"),
        (("fracture/.keep", "normal/.keep"), "class folders .fracture, normal. are empty"),
        (("0/a.png", "1/a.png", "2/a.png"), "found also 2: call the class folders"),
    ],
)
def test_folders_that_are_no_data_set(tmp_path, paths, message):
    touch(tmp_path, *paths)
    with pytest.raises(DatasetError, match=message) as error:
        list_labelled_files(tmp_path)
    assert "\n" not in str(error.value)


def test_missing_folder_and_file_instead_of_folder(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        list_labelled_files(tmp_path / "nowhere")
    touch(tmp_path, "file.png")
    with pytest.raises(DatasetError, match="is a file"):
        list_labelled_files(tmp_path / "file.png")


# --- labels.csv ----------------------------------------------------------------------------


def with_table(root: Path, text: str, encoding: str = "utf-8") -> Path:
    touch(root, "images/a.png", "images/b.png")
    (root / "labels.csv").write_bytes(text.encode(encoding))
    return root


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("path,label\nimages/a.png,fracture\nimages/b.png,no\n", "utf-8"),
        ("Label;Path\r\n 1 ;images\\a.png\r\n0;images/b.png\r\n\r\n", "utf-8-sig"),
        ('"path","label","site"\n"images/a.png","Positive","x"\nimages/../images/b.png,0', "utf-8"),
    ],
)
def test_tables_as_spreadsheets_write_them(tmp_path, text, encoding):
    root = with_table(tmp_path, text, encoding)
    assert listed(root) == {"images/a.png": 1, "images/b.png": 0}


def test_table_wins_over_folders_and_keeps_columns(tmp_path):
    text = "path,label,Patient,split\nfracture/a.png,0,P7,valid\nimages/b.png,1,P8,\n"
    touch(tmp_path, "fracture/a.png", "normal/z.png")
    files = list_labelled_files(with_table(tmp_path, text)).files
    assert [(f.path, f.label, f.split, f.row["patient"]) for f in files] == [
        ("fracture/a.png", 0, "val", "P7"),
        ("images/b.png", 1, "", "P8"),
    ]


def test_repeated_rows_are_dropped_and_contradictions_refused(tmp_path):
    text = "path,label\nimages/a.png,1\nimages/b.png,0\nimages\\a.png,"
    listing = list_labelled_files(with_table(tmp_path, text + "fracture\n"))
    assert len(listing.files) == 2
    assert listing.notes == ("Left out 1 repeated rows of labels.csv.",)
    with pytest.raises(DatasetError, match=r"line 4: images/a.png has both labels"):
        list_labelled_files(with_table(tmp_path, text + "normal\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the column path and label.*found nothing"),
        ("path,class\nimages/a.png,1\n", "lacks the column label.*found path,class"),
        ("path,label\n", "has no rows"),
        ("path,label\nimages/a.png,1\nimages/b.png,maybe\n", "line 3: unknown label 'maybe'"),
        ("path,label\nimages/a.png\n", "line 2: unknown label ''"),
        ("path,label\nimages/a.png,1\nimages/c.png,0\n", "all 1 files.*1 rows .* not there"),
        ("path,label\nimages/c.png,1\nd.png,0\n", "lists 2 files, and none.*images/c.png"),
        ("path,label\n../secret.png,1\n", "line 2: ../secret.png leads out"),
        ("path,label\n/etc/hostname,1\n", "line 2: /etc/hostname leads out"),
        ("path,label\n..\\secret.png,1\n", "line 2: .* leads out|none of them is there"),
        ("path,label\n,1\n", "line 2: the path is empty"),
        ("path,label\nimages,1\n", "none of them is there, first images;"),
    ],
)
def test_tables_that_are_refused(tmp_path, text, message):
    touch(tmp_path, "secret.png")
    root = with_table(tmp_path / "root", text)
    with pytest.raises(DatasetError, match=message):
        list_labelled_files(root)


def test_rows_whose_files_are_missing_are_left_out(tmp_path):
    text = "path,label\nimages/a.png,1\nimages/gone.png,1\nimages/b.png,0\n"
    listing = list_labelled_files(with_table(tmp_path, text))
    assert [file.path for file in listing.files] == ["images/a.png", "images/b.png"]
    assert listing.notes == ("Left out 1 rows of labels.csv whose files are not there.",)
    (missing,) = listing.missing
    assert missing.path == "images/gone.png"
    assert "labels.csv line 3" in missing.reason


def test_table_link_out_of_the_root_and_wrong_encoding(tmp_path):
    touch(tmp_path, "secret.png")
    root = with_table(tmp_path / "root", "path,label\nimages/link.png,1\n")
    (root / "images/link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DatasetError, match=r"line 2: images/link\.png leads out"):
        list_labelled_files(root)
    with pytest.raises(DatasetError, match="not UTF-8"):
        list_labelled_files(with_table(tmp_path / "latin", "path,label,größe\n", "latin-1"))


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_table_in_the_other_unicode_form_or_case(tmp_path, form):
    text = "path,label\nimages/a.png,1\nImages/Müller.PNG,0\n"
    root = with_table(tmp_path, unicodedata.normalize(form, text))
    name = unicodedata.normalize("NFD" if form == "NFC" else "NFC", "images/müller.png")
    touch(root, name)
    assert [file.path for file in list_labelled_files(root).files] == sorted(["images/a.png", name])


# --- RSNA 2022 -----------------------------------------------------------------------------


def rsna(root: Path) -> Path:
    touch(
        root, *[f"train_images/{study}/{n}.dcm" for study in ("1.2", "1.3", "1.4") for n in (1, 2)]
    )
    (root / "train.csv").write_text(
        "StudyInstanceUID,patient_overall,C1\n1.2,1,1\n1.3,0,0\n", encoding="utf-8"
    )
    (root / "train_bounding_boxes.csv").write_text(
        "StudyInstanceUID,x,y,width,height,slice_number\n1.2,5,5,9,9,2\n", encoding="utf-8"
    )
    return root


def test_rsna_slices_are_labelled_by_box_and_study(tmp_path):
    listing = list_labelled_files(rsna(tmp_path))
    assert listed(tmp_path) == {
        "train_images/1.2/2.dcm": 1,
        "train_images/1.3/1.dcm": 0,
        "train_images/1.3/2.dcm": 0,
    }
    assert listing.notes[0].startswith("Left out 1 slices of fractured studies outside any")
    assert listing.notes[1] == "Left out 2 slices of studies that train.csv does not name."


def test_rsna_unpacked_in_a_folder_of_the_same_name(tmp_path):
    root = rsna(tmp_path)
    (root / "train_images").rename(root / "inner")
    (root / "train_images").mkdir()
    (root / "inner").rename(root / "train_images/train_images")
    assert len(listed(root)) == 3
    assert listed(root)["train_images/train_images/1.2/2.dcm"] == 1
    assert set(read_boxes(root)) == {"train_images/train_images/1.2/2.dcm"}


def test_rsna_box_in_a_study_without_fracture_is_left_out(tmp_path):
    root = rsna(tmp_path)
    with (root / "train_bounding_boxes.csv").open("a") as stream:
        stream.write("1.3,5,5,9,9,1\n")
    assert "train_images/1.3/1.dcm" not in listed(root)


def test_rsna_without_boxes_or_with_damaged_numbers_is_refused(tmp_path):
    root = rsna(tmp_path)
    (root / "train_bounding_boxes.csv").write_text("StudyInstanceUID,slice_number\n1.2,two\n")
    with pytest.raises(DatasetError, match=r"boxes.csv line 2: slice_number is 'two'"):
        list_labelled_files(root)
    (root / "train_bounding_boxes.csv").unlink()
    with pytest.raises(DatasetError, match=r"train_bounding_boxes.csv is not"):
        list_labelled_files(root)
