import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinefrac.errors import ModelError
from spinefrac.store import identifiers


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("Küche, Lauf 2", "kuche-lauf-2"),
        ("phantom-demo", "phantom-demo"),
        ("  A__b//C  ", "a-b-c"),
        ("x" * 200, "x" * identifiers.MAX_LENGTH),
    ],
)
def test_slug(typed, expected):
    assert identifiers.slugify(typed) == expected


@pytest.mark.parametrize(
    "wrong",
    ["", "A", "a_b", "-a", "a-", "a--b", "../a", "a/b", ".tmp-a", "a\n", "con", "x" * 81, "ä"],
)
def test_what_is_not_an_id_is_refused(wrong):
    with pytest.raises(ModelError, match="choose another name"):
        identifiers.validate(wrong)


@given(st.text())
def test_a_slug_is_an_id_or_refused(typed):
    try:
        made = identifiers.slugify(typed)
    except ModelError:
        return
    assert (
        re.fullmatch("[a-z0-9-]{1,80}", made)
        and identifiers.validate(made) == identifiers.slugify(made) == made
    )


def test_the_first_free_name():
    assert identifiers.find_free_id("CT spines", ()) == "ct-spines"
    assert identifiers.find_free_id("CT spines", {"ct-spines", "ct-spines-2"}) == "ct-spines-3"
    assert identifiers.find_free_id("日本", ()) == "model"
    assert identifiers.find_free_id("con", {"model"}) == "model-2"
    long = identifiers.find_free_id("x" * 200, {"x" * 72})
    assert identifiers.validate(long) == "x" * 72 + "-2"
