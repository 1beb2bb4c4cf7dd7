"""Only regular files of a fair length, only JSON of a fair depth."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from spinefrac.system import reading
from spinefrac.system.reading import UnreadableContentError


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "card.json")
    with pytest.raises(UnreadableContentError, match="not a regular file"):
        reading.read_regular_file(tmp_path / "card.json")


def test_a_file_of_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "long").open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(UnreadableContentError, match="more than 100 bytes"):
        reading.read_regular_file(tmp_path / "long", 100)


def test_a_link_is_followed_unless_it_must_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    assert reading.read_regular_file(tmp_path / "link") == b"x"
    with (
        pytest.raises(OSError),
        reading.open_regular_file(tmp_path / "link", follow_links=False),
    ):
        pass


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 34 + b"]" * 34,
        b"NaN",
        b"[Infinity]",
        b"1e999",
        b"\xff",
        b"",
        b"{}" + b" " * 3000,
        b'"\\ud800"',
    ],
    ids=lambda content: repr(content[:10]),
)
def test_other_json_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(UnreadableContentError) as caught:
        reading.parse_json(content, max_bytes=2000 if b"   " in content else 2**24)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=60))
def test_any_bytes_are_json_or_refused(content: bytes) -> None:
    with suppress(UnreadableContentError):
        reading.parse_json(content)


@dataclass(frozen=True)
class Box:
    """What the next test reads."""

    side: Annotated[int, Meta(ge=1)]
    notes: tuple[str, ...] = ()


def test_fields_have_their_types_and_ranges() -> None:
    assert reading.convert({"side": 3, "notes": ["a"]}, Box) == Box(3, ("a",))
    for wrong in ({}, {"side": "3"}, {"side": 0}, {"side": 1.5}, {"side": True}, [], None):
        with pytest.raises(UnreadableContentError, match=r"xpected|missing"):
            reading.convert(wrong, Box)
