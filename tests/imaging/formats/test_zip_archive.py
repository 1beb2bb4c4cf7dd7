"""ZIPs as they come: with slices, with litter, damaged, and made to do harm."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinefrac.errors import ImageError
from spinefrac.imaging import collect
from spinefrac.imaging.limits import MAX_FILES


def packed(members: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return buffer.getvalue()


def collect_upload(content: bytes) -> collect.CollectedFiles:
    return collect.collect_files([collect.file_from_bytes("upload.zip", content)])


def refusal(content: bytes) -> str:
    collected = collect_upload(content)
    assert collected.files == ()
    (entry,) = collected.unreadable
    assert "\n" not in entry.reason
    return entry.reason


def test_members_come_in_natural_order_and_whole() -> None:
    members = {f"s/{number}.png": bytes([number]) * 5000 for number in (10, 2, 1)}
    collected = collect_upload(packed(members))
    assert [file.name for file in collected.files] == ["s/1.png", "s/2.png", "s/10.png"]
    assert [file.read_bytes() for file in collected.files] == [
        members[f.name] for f in collected.files
    ]
    assert collected.files[0].fetch(7) == b"\x01" * 7


def test_what_systems_leave_beside_is_left_out() -> None:
    litter = ("__MACOSX/._a.dcm", ".DS_Store", "x/Thumbs.db", "x/._b", "DICOMDIR", "desktop.ini")
    collected = collect_upload(packed({"a.dcm": b"a", **dict.fromkeys(litter, b"x")}))
    assert [file.name for file in collected.files] == ["a.dcm"]
    assert collected.unreadable == ()


def test_names_that_point_elsewhere_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ("../../evil.png", "/etc/evil.png", "C:\\evil.png", "a\x07b\u202egnp.png")
    collected = collect_upload(packed(dict.fromkeys(names, b"x")))
    assert len(collected.files) == len(names)
    assert all(file.read_bytes() == b"x" for file in collected.files)
    assert all(file.name.isprintable() for file in collected.files)
    assert list(tmp_path.rglob("*")) == []
    assert not Path("../../evil.png").exists()


def test_a_zip_in_a_zip_is_named_and_the_rest_is_read() -> None:
    collected = collect_upload(packed({"inner.zip": packed({"a": b"a"}), "b.png": b"b"}))
    assert [file.name for file in collected.files] == ["b.png"]
    assert "a ZIP inside it" in collected.unreadable[0].reason


def test_a_password_is_named() -> None:
    content = bytearray(packed({"a.png": b"secret" * 50}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    assert "without a password" in refusal(bytes(content))


def test_rare_ways_of_packing_are_refused_unread() -> None:
    assert "deflate" in refusal(packed({"a.png": b"x" * 500}, zipfile.ZIP_LZMA))


def test_a_bomb_is_refused_by_what_it_declares() -> None:
    bomb = packed({f"{n}.dcm": bytes(40 * 2**20) for n in range(6)})
    assert len(bomb) < 2**20
    assert "times its size" in refusal(bomb)


def test_a_member_that_lies_about_its_size_inflates_no_more_than_it_says() -> None:
    content = bytearray(packed({"a.dcm": bytes(60 * 2**20)}))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.index(signature) + offset
        content[at : at + 4] = struct.pack("<I", 1000)
    (file,) = collect_upload(bytes(content)).files
    tracemalloc.start()
    with pytest.raises(ImageError, match="damaged"):
        file.read_bytes()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


def test_too_many_files_are_refused() -> None:
    assert "files" in refusal(packed({f"{n}": b"" for n in range(MAX_FILES + 1)}))


def test_an_endless_table_of_contents_is_not_parsed() -> None:
    content = packed({"a": b"a"})
    end = content.rindex(b"PK\x05\x06")
    entry = content[content.index(b"PK\x01\x02") : end]
    many = entry * (9 * 2**20 // len(entry))
    count = min(len(many) // len(entry), 65535)
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(many), 32, 0)
    assert "table of contents" in refusal(content[:32] + many + tail)


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04", b"PK\x05\x06" + bytes(18), b"PK\x03\x04" + bytes(400)]
)
def test_an_empty_or_broken_zip_is_one_line(content: bytes) -> None:
    assert "ZIP" in refusal(content)


def test_a_damaged_member_is_named_when_it_is_read() -> None:
    content = bytearray(packed({"a.png": bytes(range(256)) * 40}, zipfile.ZIP_STORED))
    content[100] ^= 0xFF
    (file,) = collect_upload(bytes(content)).files
    with pytest.raises(ImageError, match="damaged"):
        file.read_bytes()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_bytes_end_in_anything_but_an_image_error(data: st.DataObject) -> None:
    content = bytearray(packed({"a.png": b"slice" * 30, "b/c.dcm": b"other" * 30}))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(4, len(content)))]
    for file in collect_upload(bytes(content)).files:
        try:
            file.read_bytes()
        except ImageError as error:
            assert "\n" not in str(error)
