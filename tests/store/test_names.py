import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinefrac.errors import ModelError
from spinefrac.store import names


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("Küche, Lauf 2", "kuche-lauf-2"),
        ("phantom-demo", "phantom-demo"),
        ("  A__b//C  ", "a-b-c"),
        ("x" * 200, "x" * names.MAX_LENGTH),
    ],
)
def test_slug(typed, expected):
    assert names.slug(typed) == expected


@pytest.mark.parametrize(
    "wrong",
    ["", "A", "a_b", "-a", "a-", "a--b", "../a", "a/b", ".tmp-a", "a\n", "con", "x" * 81, "ä"],
)
def test_what_is_not_an_id_is_refused(wrong):
    with pytest.raises(ModelError, match="choose another name"):
        names.validate(wrong)


@given(st.text())
def test_a_slug_is_an_id_or_refused(typed):
    try:
        made = names.slug(typed)
    except ModelError:
        return
    assert (
        re.fullmatch("[a-z0-9-]{1,80}", made) and names.validate(made) == names.slug(made) == made
    )


def test_the_first_free_name():
    assert names.first_free("CT spines", ()) == "ct-spines"
    assert names.first_free("CT spines", {"ct-spines", "ct-spines-2"}) == "ct-spines-3"
    assert names.first_free("日本", ()) == "model"
    assert names.first_free("con", {"model"}) == "model-2"
    long = names.first_free("x" * 200, {"x" * 72})
    assert names.validate(long) == "x" * 72 + "-2"
