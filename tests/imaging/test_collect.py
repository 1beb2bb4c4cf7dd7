"""Files from memory, disk and folders: names for people, bytes on demand."""

import os

import pytest

from spinefrac.errors import ImageError
from spinefrac.imaging import collect
from spinefrac.imaging.limits import MAX_FILE_BYTES


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
    with pytest.raises(ImageError, match=r"series/a\.dcm: expected an image file, found nothing"):
        file.read_bytes()


def test_a_folder_comes_in_natural_order_without_system_files(tmp_path):
    for name in ("s/10.dcm", "s/2.dcm", "Thumbs.db", "s/._2.dcm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = collect.rename_files(collect.collect_folder(tmp_path), "in/")
    assert [file.name for file in found.files] == ["in/s/2.dcm", "in/s/10.dcm"]
    assert found.unreadable == ()


def test_a_folder_within_a_hidden_one_is_read(tmp_path):
    folder = tmp_path / ".cache/@eaDir"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(b"x")
    assert [file.name for file in collect.collect_folder(folder).files] == ["a.png"]


def test_empty_and_giant_files_cost_themselves_only(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "empty.zip").write_bytes(b"")
    with (tmp_path / "giant.zip").open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(MAX_FILE_BYTES + 1)  # sparse: it takes no room
    found = collect.collect_folder(tmp_path)
    assert [file.name for file in found.files] == ["a.png", "empty.zip", "giant.zip"]
    with pytest.raises(ImageError, match=r"^giant.zip: expected a file of at most 512 MB"):
        found.files[2].read_bytes()


def test_a_damaged_zip_is_named_once(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "b.zip").write_bytes(b"PK\x03\x04" + bytes(50))
    found = collect.rename_files(collect.collect_folder(tmp_path), "in/")
    assert [file.name for file in found.files] == ["in/a.png"]
    (entry,) = found.unreadable
    assert entry.path == "in/b.zip" and entry.reason.startswith("in/b.zip: expected a whole ZIP")
    assert entry.reason.count("b.zip") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_without_permission_is_named(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "a.png").write_bytes(b"x")
    found = collect.collect_folder(tmp_path)
    assert len(found.files) == 1 and found.unreadable[0].path == "closed/"


def test_more_files_than_are_read_are_counted_and_cut_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(collect, "MAX_FILES", 10)
    for number in range(25):
        (tmp_path / f"{number}.png").write_bytes(b"x")
    found = collect.collect_folder(tmp_path)
    assert [file.name for file in found.files] == [f"{n}.png" for n in range(10)]
    (entry,) = found.unreadable
    assert entry.path == "15 more files"
    assert "got 25" in entry.reason and "from 10.png on" in entry.reason


def test_names_are_safe_to_show():
    assert collect.display_name("a\x00b\u202egnp.png") == "a\ufffdb\ufffdgnp.png"
    assert collect.display_name("C:\\x\\a.png") == "C:/x/a.png"
    long = collect.display_name("x" * 500 + "7.dcm")
    assert len(long) == 121 and long.startswith("…") and long.endswith("7.dcm")
