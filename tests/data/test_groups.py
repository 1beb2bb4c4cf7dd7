"""What stays together: columns, headers, names."""

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinefrac.data.folder_layouts import LabelledFile
from spinefrac.data.groups import assign_groups, original_stem, series_from_name, unknown_extent
from spinefrac.errors import DatasetError
from spinefrac.records import SliceTags


def named(*paths: str) -> list[LabelledFile]:
    """Files of class folders, as `list_files` describes them."""
    labels = {"fracture": 1, "normal": 0}
    return [
        LabelledFile(path, labels[path.split("/")[0]], tuple(path.split("/")[1:-1]))
        for path in paths
    ]


def grouped(*paths: str, tags: list[SliceTags] | None = None, by: str = "auto"):
    files = named(*paths)
    groups, rule = assign_groups(files, tags or [SliceTags()] * len(files), by)
    return list(groups), rule


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("P012_03.png", "P012"),
        ("CSFDV1B10 (18)-sharpened-rotated3.png", "CSFDV1B10"),
        ("CSFDV1B10 (18).png", "CSFDV1B10"),
        ("CSFDV1B10 (18) (1).png", "CSFDV1B10"),
        ("IMG-0001-00023.jpg", "IMG-0001"),
        ("patient12_slice3.png", "patient12"),
        ("case_7-02.png", "case_7"),
        ("P012_C3_04.png", "P012"),
        ("P012_fracture_04.png", "P012"),
        ("CSF10_C3_fracture_04.tiff", "CSF10"),
        ("sub-verse012_slice_4.png", "sub-verse012"),
        ("3f2504e0-4f89-11d3-9a0c-0305e82c3301_12.png", "3f2504e0-4f89-11d3-9a0c-0305e82c3301"),
        ("3f2504e0-4f89-11d3-9a0c-0305e82c3301.png", None),
        ("d41d8cd98f00b204e9800998ecf8427e.png", None),
        ("CT.1.3.12.2.1107.5.1.4.60064.30000022120808113428000016579", None),
        ("C3_04.png", "C3"),
        ("slice_12.png", None),
        ("fracture_001.png", None),
        ("not fractured (3).png", None),
        ("12.png", None),
    ],
)
def test_what_a_file_name_says(name, key):
    assert series_from_name(LabelledFile(name, 0)) == key


SUFFIXES = st.lists(
    st.sampled_from(
        ["-rotated1", "-sharpened", "-sharpened1", "_flipped", "_rot90", "-rot_-15", "-rot_12.5deg",
         "_aug_3", " - Copy", " - Copy (2)", "_hflip", "-brightness2", "_noise"]
    ),
    min_size=1,
    max_size=4,
).map("".join)  # fmt: skip
STEMS = st.one_of(
    st.from_regex(r"[A-Z]{1,5}[0-9]{1,3}( \([0-9]{1,3}\)|_[0-9]{1,3})", fullmatch=True),
    st.from_regex(r"(img|slice|patient|case|P|x)[-_]?[0-9]{1,4}([-_][0-9]{1,3})?", fullmatch=True),
    st.uuids().map(str),
)


@given(st.lists(STEMS, min_size=2, max_size=8, unique_by=str.casefold), SUFFIXES, st.booleans())
def test_an_augmented_copy_stays_with_its_slice(stems, suffix, in_folder):
    folder = "fracture/augmented" if in_folder else "fracture"
    originals = [f"fracture/{stem}.png" for stem in stems]
    copies = [f"{folder}/{stem}{suffix}.png" for stem in stems]
    groups, _ = grouped(*originals, *copies)
    assert groups[: len(stems)] == groups[len(stems) :]


@given(STEMS, SUFFIXES)
def test_suffixes_are_taken_off_whole(stem, suffix):
    assert original_stem(f"{stem}{suffix}.png") == stem


def test_real_naming_groups_by_series():
    groups, rule = grouped(
        "fracture/CSFDV1B11 (1).png",
        "fracture/CSFDV1B11 (1)-sharpened-rotated3.png",
        "normal/CSFDV1B12 (100).png",
        "normal/CSFDV1B11 (7).png",
    )
    assert groups == ["CSFDV1B11", "CSFDV1B11", "CSFDV1B12", "CSFDV1B11"]
    assert rule.startswith("by the file name without its slice number (CSFDV1B11 (1).png")


def test_one_patient_in_two_spellings_and_classes_is_one_group():
    groups, rule = grouped(
        "fracture/P012_fracture_1.png", "normal/p012-2.png", "normal/P_013_1.png"
    )
    assert groups == ["P012", "P012", "P_013"]
    assert rule.startswith("by the patient in the file name")


def test_names_that_say_nothing_leave_every_slice_alone_and_say_so():
    groups, rule = grouped(
        "fracture/1.png", "normal/1.png", "fracture/2.png", "normal/2-rotated1.png"
    )
    assert groups == ["fracture/1", "normal/1", "fracture/2", "normal/2"]
    assert "group of its own" in rule and "far too high" in rule


@pytest.mark.parametrize("words", [("frac", "healthy"), ("vertebra", "vertebra"), ("fx", "fine")])
def test_a_word_for_the_class_or_the_whole_set_is_no_patient(words):
    paths = [f"fracture/{words[0]}_{n}.png" for n in range(3)]
    paths += [f"normal/{words[1]}_{n}.png" for n in range(3)]
    groups, _ = grouped(*paths)
    assert len(set(groups)) == 6


def test_one_series_in_all_names_is_one_group():
    groups, _ = grouped("fracture/CSFDV1B11 (1).png", "normal/CSFDV1B11 (2).png")
    assert set(groups) == {"CSFDV1B11"}


def test_patient_folders_count_and_general_folders_do_not():
    groups, rule = grouped(
        "fracture/smith/1.png", "fracture/jones/1.png", "normal/smith/2.png", "normal/lee/2.png"
    )
    assert groups == ["smith", "jones", "smith", "lee"]
    assert rule.startswith("by the folder inside the class folder")
    groups, _ = grouped("fracture/originals/a.png", "fracture/augmented/a-rotated1.png")
    assert groups[0] == groups[1]


def test_a_patient_in_the_name_beats_a_folder_that_is_none():
    groups, _ = grouped("fracture/C3/P01_1.png", "fracture/C4/P01_2.png", "normal/C3/P02_1.png")
    assert groups == ["P01", "P01", "P02"]


def test_some_names_say_nothing_and_the_rule_counts_them():
    groups, rule = grouped("fracture/P01_1.png", "normal/P01_2.png", "normal/x.png")
    assert groups == ["P01", "P01", "normal/x"]
    assert rule.endswith("; 1 of 3 slices has no such name and forms a group of its own")


# --- headers -------------------------------------------------------------------------------


def test_headers_group_by_patient_and_by_study_where_that_is_empty():
    tags = [
        SliceTags(patient_id="Doe^Jane 1970", study_instance_uid="1.2.3"),
        SliceTags(patient_id="Doe^Jane 1970", study_instance_uid="1.2.4"),
        SliceTags(patient_id="", study_instance_uid="1.2.5"),
        SliceTags(patient_id="", study_instance_uid="1.2.4"),  # joins its study's patient
        SliceTags(patient_id="ANONYMOUS", study_instance_uid="1.2.6"),
    ]
    groups, rule = grouped(*[f"fracture/{n}.dcm" for n in range(5)], tags=tags)
    assert groups[0] == groups[1] == groups[3]
    assert len(set(groups)) == 3
    assert rule == "by DICOM PatientID, or StudyInstanceUID where that is empty"
    for group in groups:
        assert len(group) == len("dicom-1a2b3c4d") and group.startswith("dicom-")
        assert not any(secret in group for secret in ("Doe", "1970", "1.2"))


def test_pictures_among_dicom_files_go_by_their_names():
    tags = [SliceTags(patient_id="A"), SliceTags(patient_id="B"), SliceTags(), SliceTags()]
    paths = ("fracture/1.dcm", "normal/2.dcm", "normal/P01_1.png", "fracture/P01_2.png")
    groups, rule = grouped(*paths, tags=tags)
    assert groups[2:] == ["P01", "P01"] and len(set(groups)) == 3
    expected = "2 of 4 slices have none of these and are grouped by the patient in the file name ("
    assert expected in rule and unknown_extent(rule) == ""


def test_pictures_whose_names_say_nothing_among_dicom_files():
    tags = [SliceTags(patient_id="A"), SliceTags(), SliceTags()]
    _, rule = grouped("fracture/1.dcm", "normal/2.png", "fracture/3.png", tags=tags)
    clause = "; 2 of 3 slices have none of these and form groups of their own, because names do"
    assert clause in rule and unknown_extent(rule) == "some"


def test_series_and_frame_of_reference_where_patient_and_study_are_empty():
    tags = [
        SliceTags(patient_id="A", series_instance_uid="1.1", frame_of_reference_uid="9.1"),
        SliceTags(series_instance_uid="1.2", frame_of_reference_uid="9.2"),
        SliceTags(series_instance_uid="1.2"),
        SliceTags(series_instance_uid="1.3", frame_of_reference_uid="9.2"),
        SliceTags(patient_id="ANON", frame_of_reference_uid="9.3"),
    ]
    groups, rule = grouped(*[f"fracture/{n}.dcm" for n in range(5)], tags=tags)
    assert groups[1] == groups[2] == groups[3] and len(set(groups)) == 3
    assert rule.endswith(", or SeriesInstanceUID and FrameOfReferenceUID where both are empty")
    assert not any("1.2" in group or "9.2" in group for group in groups)


def test_series_alone_make_groups_and_a_fixed_frame_of_reference_does_not_join_them():
    tags = [
        SliceTags(series_instance_uid=f"1.{n // 2}", frame_of_reference_uid="9") for n in range(6)
    ]
    groups, _ = grouped(*[f"fracture/{n}.dcm" for n in range(6)], tags=tags)
    assert groups[0] == groups[1] and len(set(groups)) == 3


@pytest.mark.parametrize("where", ["name", "column"])
def test_both_unicode_forms_of_a_name_are_one_patient(where):
    names = [unicodedata.normalize(form, "Müller") for form in ("NFC", "NFD")]
    if where == "name":
        groups, _ = grouped(*[f"fracture/{name}_P1/{n}.png" for n, name in enumerate(names)],
                            "normal/Meier_P2/1.png")  # fmt: skip
    else:
        files = [LabelledFile(f"{n}.png", n, row={"patient": n_}) for n, n_ in enumerate(names)]
        groups, _ = assign_groups(files, [SliceTags()] * 2)
    assert groups[0] == groups[1]


def test_group_by_file_leaves_headers_alone():
    tags = [SliceTags(patient_id="same"), SliceTags(patient_id="same")]
    assert grouped("fracture/P1_1.dcm", "normal/P2_1.dcm", tags=tags, by="file")[0] == ["P1", "P2"]


# --- labels.csv ----------------------------------------------------------------------------


def rows(*patients: str) -> list[LabelledFile]:
    return [
        LabelledFile(f"P9_{n}.png", n % 2, (), "", {"path": "", "patient": patient, "site": "here"})
        for n, patient in enumerate(patients)
    ]


def test_the_patient_column_comes_first_and_any_column_can_be_named():
    tags = [SliceTags(patient_id="header")] * 2
    assert assign_groups(rows("a", "b"), tags) == (
        ("a", "b"),
        "by the column patient of labels.csv",
    )
    assert assign_groups(rows("a", "b"), tags, "csv:Site")[0] == ("here", "here")
    assert assign_groups(rows("", ""), [SliceTags()] * 2)[0] == ("P9", "P9")


@pytest.mark.parametrize(
    ("patients", "by", "message"),
    [
        (("a", ""), "auto", "'patient' of labels.csv is empty for 1 slices, P9_1.png first"),
        (("a", "b"), "csv:ward", "column 'ward' in labels.csv.*found path, patient, site"),
        (("a", "b"), "patient", "Expected group-by auto, file or csv:COLUMN, got 'patient'"),
    ],
)
def test_groupings_that_are_refused(patients, by, message):
    with pytest.raises(DatasetError, match=message):
        assign_groups(rows(*patients), [SliceTags()] * 2, by)


def test_a_column_without_a_table_is_refused():
    with pytest.raises(DatasetError, match=r"found no labels\.csv"):
        grouped("fracture/a.png", by="csv:patient")


def test_a_scan_is_a_patient_unless_something_knows_better():
    files = [LabelledFile(f"s{n}/{k}.png", n, study=f"s{n}") for n in (0, 1) for k in (1, 2)]
    for group_by in ("auto", "file"):
        groups, rule = assign_groups(files, [SliceTags()] * 4, group_by)
        assert groups == ("s0", "s0", "s1", "s1") and rule.startswith("by the scan")
    known = [replace(file, row={"patient": "Ann"}) for file in files]
    assert assign_groups(known, [SliceTags()] * 4)[0] == ("Ann",) * 4


def test_a_scan_of_several_patients_is_refused():
    files = [LabelledFile(f"s/{k}.dcm", 1, study="s") for k in (1, 2)]
    tags = [SliceTags(patient_id="A"), SliceTags(patient_id="B")]
    with pytest.raises(DatasetError, match="the scan s belong to several groups by DICOM"):
        assign_groups(files, tags)
