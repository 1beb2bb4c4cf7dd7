import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinefrac.errors import ModelError
from spinefrac.store import annotations
from spinefrac.store.annotations import Annotations

WRITTEN = Annotations("Knochen – Übung\nzwei", ("a", "b c"), True, ("first", "second"))


@pytest.mark.parametrize("written", [WRITTEN, Annotations()])
def test_annotations_come_back_as_they_were(written):
    assert annotations.parse_annotations(annotations.dump_annotations(written)) == written


def test_any_flipped_bit_is_noticed():
    content = bytearray(annotations.dump_annotations(WRITTEN))
    for position in range(len(content)):
        content[position] ^= 1 << position % 8
        with pytest.raises(ModelError, match=r"slip\.json"):
            annotations.parse_annotations(bytes(content))
        content[position] ^= 1 << position % 8


def test_a_newer_one_says_what_to_do():
    data = json.loads(annotations.dump_annotations(WRITTEN)) | {"schema_version": 99}
    with pytest.raises(ModelError, match="update spinefrac"):
        annotations.parse_annotations(json.dumps(data).encode())


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.binary(max_size=100), st.sampled_from([b"null", b"[1]", b"{}", b"\xff"])))
def test_anything_else_is_a_model_error(content):
    with pytest.raises(ModelError, match=r"slip\.json"):
        annotations.parse_annotations(content)


def test_notes_lose_what_is_not_text():
    assert annotations.clean_note(" a\x1b[31m\u202eb\nc \0") == "a[31mb\nc"
    with pytest.raises(ModelError, match="2,001"):
        annotations.clean_note("x" * 2001)


def test_tags_are_sorted_and_each_once():
    assert annotations.clean_tags([" B ", "a  c", "b", "", "\t"]) == ("a c", "B")
    with pytest.raises(ModelError, match="no comma"):
        annotations.clean_tags(["a,b"])
    with pytest.raises(ModelError, match="at most 40"):
        annotations.clean_tags(["x" * 41])
    with pytest.raises(ModelError, match="got 21"):
        annotations.clean_tags(map(str, range(21)))
