"""The ZIP of an export: only a saved model's own files come out of it."""

import stat
import zipfile
from pathlib import Path

import pytest

from spinefrac.errors import ModelError
from spinefrac.exchange import archive as model_archive
from spinefrac.exchange import import_model


def archive(tmp_path, *entries) -> Path:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content, mode in entries:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, content)
    return path


@pytest.mark.parametrize(
    "name",
    ["../card.json", "model/../../card.json", "/etc/card.json", "..\\card.json", "C:\\x", "a\nb"],
)
def test_a_name_that_leads_out_of_the_folder_is_refused(own_home, tmp_path, name, nothing_left):
    path = archive(tmp_path, ("model/card.json", b"{}", 0), (name, b"x", 0))
    with pytest.raises(ModelError, match="leads out of its folder"):
        import_model.import_file(path)
    assert nothing_left(own_home)


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644])
def test_a_link_in_an_archive_is_refused(own_home, tmp_path, mode, nothing_left):
    path = archive(tmp_path, ("model/card.json", b"/etc/passwd", mode))
    with pytest.raises(ModelError, match="a link or device"):
        import_model.import_file(path)
    assert nothing_left(own_home)


def test_a_name_twice_is_refused(own_home, tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = archive(tmp_path, ("model/card.json", b"{}", 0), ("model/card.json", b"{}", 0))
    with pytest.raises(ModelError, match="a name twice"):
        import_model.import_file(path)


def test_an_archive_that_unpacks_to_gigabytes_is_refused(own_home, tmp_path, nothing_left):
    """1.1 GiB of zeros in a megabyte."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model/card.json", b"{}")
        with file.open("model/model.keras", "w", force_zip64=True) as entry:
            block = bytes(1 << 24)
            for _ in range(70):
                entry.write(block)
    assert path.stat().st_size < 2_000_000
    with pytest.raises(ModelError, match="would unpack to 1120 MiB"):
        import_model.import_file(path)
    assert nothing_left(own_home)


def test_an_archive_that_lies_about_its_sizes_is_refused(own_home, tmp_path, nothing_left):
    """The directory says 2 bytes, the data are a megabyte."""
    path = archive(tmp_path, ("model/card.json", b"{}" + b" " * 1_000_000, 0))
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = (2).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"damaged|complete|not a card|schema"):
        import_model.import_file(path)
    assert nothing_left(own_home)


def test_only_the_files_of_a_model_are_unpacked(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "model").mkdir(parents=True)
    target.mkdir()
    for name in ("model/card.json", "model/oof.csv", "model/run.py", "predict.py"):
        (source / name).write_bytes(name.encode())
    model_archive.pack(source, tmp_path / "packed.zip")
    model_archive.unpack(tmp_path / "packed.zip", target)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {
        "card.json": b"model/card.json",
        "oof.csv": b"model/oof.csv",
    }


def test_equal_folders_give_equal_archives(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"content")
        model_archive.pack(tmp_path / name, tmp_path / f"{name}.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
