"""Names of classes and splits, without regard to case, blanks, underscores and hyphens."""

import pytest

from spinefrac.data.class_names import normalise_name, parse_class_label, parse_split


@pytest.mark.parametrize(
    "name",
    ["Fracture", "FRACTURED", " yes ", "1", "positive", "Abnormal", "fractures", "1_fracture",
     "CT fracture", "fx", "class_1", "1.0", "TRUE", "Fractured_Vertebrae", "fracture-positive",
     "(1) Fractures", "not normal", "with_fracture", "fracture_yes", "cervical fracture"],
)  # fmt: skip
def test_positive_names(name):
    assert parse_class_label(name) == 1


@pytest.mark.parametrize(
    "name",
    ["no_fracture", "No-Fracture", "not  fractured", "0", "Healthy", "non_fractured",
     "non-fracture", "not_fracture", "Normal CT", "normals", "0_normal", "NoFractures",
     "without fracture", "unfractured", "label 0", "0.0", "False", "Normal images",
     "fracture_negative", "controls", "fracture_no", "no cervical fracture"],
)  # fmt: skip
def test_negative_names(name):
    assert parse_class_label(name) == 0


@pytest.mark.parametrize(
    "name",
    [
        "",
        "cats",
        "fractures2",
        "2",
        "non",
        "patient 1",
        "scan_0",
        "no_data",
        "4711 normal",
        "ct",
        "normal fracture",
        "present",
        "with",
    ],
)
def test_other_names(name):
    assert parse_class_label(name) is None


def test_splits():
    names = ("Train", "valid", "validation", "TEST", "fold1", "train_set", "testing")
    found = [parse_split(name) for name in names]
    assert found == ["train", "val", "val", "test", "", "train", "test"]


def test_normalised_names():
    assert normalise_name(" No__Fracture - ") == "no fracture"
