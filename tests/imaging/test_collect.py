"""Files from memory, disk and folders: names for people, bytes on demand."""

import pytest

from spinefrac.errors import ImageError
from spinefrac.imaging import collect


def test_a_file_in_memory_and_on_disk_give_the_same(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"0123456789")
    on_disk = collect.file_from_path(tmp_path / "a.dcm")
    in_memory = collect.file_from_bytes("a.dcm", b"0123456789")
    for file in (on_disk, in_memory):
        assert (file.name, file.size) == ("a.dcm", 10)
        assert file.read_bytes() == b"0123456789" and file.fetch(4) == b"0123"


def test_a_removed_file_is_named(tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(b"x")
    file = collect.file_from_path(path, "series/a.dcm")
    path.unlink()
    with pytest.raises(ImageError, match=r"series/a\.dcm: expected a readable file"):
        file.read_bytes()


def test_a_folder_comes_in_natural_order_without_system_files(tmp_path):
    for name in ("s/10.dcm", "s/2.dcm", "Thumbs.db", "s/._2.dcm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = collect.collect_files(collect.files_from_folder(tmp_path, prefix="in/"))
    assert [file.name for file in found.files] == ["in/s/2.dcm", "in/s/10.dcm"]
    assert found.unreadable == ()


def test_names_are_safe_to_show():
    assert collect.display_name("a\x00b\u202egnp.png") == "a\ufffdb\ufffdgnp.png"
    assert collect.display_name("C:\\x\\a.png") == "C:/x/a.png"
    long = collect.display_name("x" * 500 + "7.dcm")
    assert len(long) == 121 and long.startswith("…") and long.endswith("7.dcm")
