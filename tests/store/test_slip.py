import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinefrac.errors import ModelError
from spinefrac.store import slip
from spinefrac.store.slip import Slip

WRITTEN = Slip("Knochen – Übung\nzwei", ("a", "b c"), True, ("first", "second"))


@pytest.mark.parametrize("written", [WRITTEN, Slip()])
def test_a_slip_comes_back_as_it_was(written):
    assert slip.parse(slip.dump(written)) == written


def test_any_flipped_bit_is_noticed():
    content = bytearray(slip.dump(WRITTEN))
    for position in range(len(content)):
        content[position] ^= 1 << position % 8
        with pytest.raises(ModelError, match=r"slip\.json"):
            slip.parse(bytes(content))
        content[position] ^= 1 << position % 8


def test_a_newer_one_says_what_to_do():
    data = json.loads(slip.dump(WRITTEN)) | {"schema_version": 99}
    with pytest.raises(ModelError, match="update spinefrac"):
        slip.parse(json.dumps(data).encode())


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.binary(max_size=100), st.sampled_from([b"null", b"[1]", b"{}", b"\xff"])))
def test_anything_else_is_a_model_error(content):
    with pytest.raises(ModelError, match=r"slip\.json"):
        slip.parse(content)


def test_notes_lose_what_is_not_text():
    assert slip.clean_note(" a\x1b[31m\u202eb\nc \0") == "a[31mb\nc"
    with pytest.raises(ModelError, match="2,001"):
        slip.clean_note("x" * 2001)


def test_tags_are_sorted_and_each_once():
    assert slip.clean_tags([" B ", "a  c", "b", "", "\t"]) == ("a c", "B")
    with pytest.raises(ModelError, match="no comma"):
        slip.clean_tags(["a,b"])
    with pytest.raises(ModelError, match="at most 40"):
        slip.clean_tags(["x" * 41])
    with pytest.raises(ModelError, match="got 21"):
        slip.clean_tags(map(str, range(21)))
