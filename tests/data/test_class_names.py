"""Names of classes and splits, without regard to case, blanks, underscores and hyphens."""

import pytest

from spinefrac.data.class_names import normalise_name, parse_class_label, parse_split


@pytest.mark.parametrize("name", ["Fracture", "FRACTURED", " yes ", "1", "positive", "Abnormal"])
def test_positive_names(name):
    assert parse_class_label(name) == 1


@pytest.mark.parametrize("name", ["no_fracture", "No-Fracture", "not  fractured", "0", "Healthy"])
def test_negative_names(name):
    assert parse_class_label(name) == 0


@pytest.mark.parametrize("name", ["", "cats", "fractures2", "2", "non"])
def test_other_names(name):
    assert parse_class_label(name) is None


def test_splits():
    names = ("Train", "valid", "validation", "TEST", "fold1")
    assert [parse_split(name) for name in names] == ["train", "val", "val", "test", ""]


def test_normalised_names():
    assert normalise_name(" No__Fracture - ") == "no fracture"
