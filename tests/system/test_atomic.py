"""A file or folder appears as a whole, whatever happens to its writer."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spinefrac.system import atomic


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "a.txt"
    for content in (b"first", b"second"):
        atomic.write_bytes(path, content)
        assert path.read_bytes() == content
    assert names_in(tmp_path) == ["a.txt"]


def test_a_failure_leaves_the_file_of_before(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"before")
    with pytest.raises(RuntimeError), atomic.replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"before" and names_in(tmp_path) == ["a.txt"]


def test_a_body_that_writes_nothing_is_an_error(tmp_path):
    for durable in (True, False):
        with pytest.raises(FileNotFoundError), atomic.replacing(tmp_path / "a", durable=durable):
            pass
    assert names_in(tmp_path) == []


def test_a_reader_never_sees_half_of_a_file_whose_writer_is_killed(tmp_path):
    path = tmp_path / "a.bin"
    size = 1 << 20
    atomic.write_bytes(path, b"0" * size)
    code = (
        "import sys; from itertools import cycle; from pathlib import Path\n"
        "from spinefrac.system import atomic\n"
        f"for sign in cycle((b'1', b'2')): atomic.write_bytes(Path(sys.argv[1]), sign * {size})\n"
    )
    for seconds in (0.1, 0.15, 0.2):
        writer = subprocess.Popen([sys.executable, "-c", code, str(path)])
        deadline = time.monotonic() + 30
        while path.read_bytes()[:1] == b"0" and time.monotonic() < deadline:
            time.sleep(0.005)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            content = path.read_bytes()
            assert content == content[:1] * size and content[:1] != b"0"
        writer.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        writer.wait()
        content = path.read_bytes()
        assert content == content[:1] * size
    left = [name for name in names_in(tmp_path) if name != "a.bin"]
    assert all(name.startswith(".a.bin.") and name.endswith(".tmp") for name in left)
    atomic.remove_temporary_files(path)
    assert names_in(tmp_path) == ["a.bin"]


def test_only_temporary_files_of_this_name_and_age_are_removed(tmp_path):
    path = tmp_path / ("long-name-" * 10 + ".zip")
    with atomic.replacing(path) as temporary:
        temporary.write_bytes(b"")
        young, old = (
            temporary.with_name(temporary.name),
            tmp_path / (temporary.name.partition(".tmp")[0][:-8] + "0" * 8 + ".tmp.zip"),
        )
        old.write_bytes(b"")
        os.utime(old, (1000, 1000))
        other = tmp_path / ".other.00000000.tmp"
        other.write_bytes(b"")
        atomic.remove_temporary_files(path, older_than_s=600)
        assert young.exists() and not old.exists() and other.exists()


def test_what_somebody_else_has_written_meanwhile_is_not_overwritten(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(FileExistsError), atomic.replacing(path, overwrite=False) as temporary:
        temporary.write_bytes(b"mine")
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs" and names_in(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("is_there", [False, True])
def test_a_file_system_without_links(tmp_path, monkeypatch, is_there):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")  # what FAT says

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "a.txt"
    if is_there:
        path.write_bytes(b"theirs")
        with pytest.raises(FileExistsError), atomic.replacing(path, overwrite=False) as temporary:
            temporary.write_bytes(b"mine")
    else:
        with atomic.replacing(path, overwrite=False) as temporary:
            temporary.write_bytes(b"mine")
    assert path.read_bytes() == (b"theirs" if is_there else b"mine")
    assert names_in(tmp_path) == ["a.txt"]


def test_a_name_of_the_longest_kind_can_be_written(tmp_path):
    path = tmp_path / ("n" * 255)
    atomic.write_bytes(path, b"x")
    assert names_in(tmp_path) == [path.name]


def test_a_suffix_is_the_end_of_the_temporary_name(tmp_path):
    with atomic.replacing(tmp_path / "a.weights.h5", suffix=".weights.h5") as temporary:
        assert temporary.name.endswith(".tmp.weights.h5") and temporary.parent == tmp_path
        temporary.write_bytes(b"")


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "deeper" / "out"
    with pytest.raises(RuntimeError), atomic.new_folder(folder) as temporary:
        (temporary / "a").write_bytes(b"")
        raise RuntimeError
    assert names_in(folder.parent) == []
    with atomic.new_folder(folder) as temporary:
        (temporary / "a").write_bytes(b"")
        assert not folder.exists()
    assert names_in(folder.parent) == ["out"] and names_in(folder) == ["a"]
    with pytest.raises(OSError), atomic.new_folder(folder) as temporary:
        (temporary / "b").write_bytes(b"")
    assert names_in(folder.parent) == ["out"] and names_in(folder) == ["a"]
