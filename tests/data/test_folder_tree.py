"""A folder is listed once, and every change below it shows in the digest."""

import os

import pytest

from spinefrac.data.folder_tree import read_tree


@pytest.fixture
def root(tmp_path):
    for name in (
        "fracture/a.png",
        "normal/deep/b.png",
        "normal/.hidden",
        "normal/Thumbs.db",
        "normal/@eaDir/b.png/SYNOPHOTO_THUMB_M.jpg",
    ):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"pixels")
    return tmp_path / "set"


def test_files_come_with_the_folders_on_the_way(root):
    files = {path.relative_to(root).as_posix(): between for path, between in
             read_tree(root).iterate_files()}  # fmt: skip
    assert files == {"fracture/a.png": ("fracture",), "normal/deep/b.png": ("normal", "deep")}


def test_links_are_followed_within_the_root_only(root, tmp_path):
    (tmp_path / "outside.png").write_bytes(b"x")
    (root / "fracture/inside.png").symlink_to(root / "fracture/a.png")
    (root / "fracture/outside.png").symlink_to(tmp_path / "outside.png")
    (root / "fracture/folder").symlink_to(root / "normal")
    folder = read_tree(root).folders[0]
    assert folder.files == ("a.png", "inside.png")
    assert folder.external_links == ("outside.png",)
    assert read_tree(root).count_external_links() == 1


@pytest.mark.parametrize("where", ["loop.png", "fracture/loop.png"])
def test_a_link_that_leads_to_itself_is_left_out(root, where):
    (root / where).symlink_to(root / where)
    tree = read_tree(root)
    assert {path.name for path, _ in tree.iterate_files()} == {"a.png", "b.png"}


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "fracture/a.png").write_bytes(b"other pixels"),
        lambda root: os.utime(root / "normal/deep/b.png", (1, 1)),
        lambda root: (root / "normal/deep/b.png").unlink(),
        lambda root: (root / "normal/new.png").touch(),
        lambda root: (root / "fracture/a.png").rename(root / "fracture/c.png"),
        lambda root: (root / "normal/deep").rename(root / "normal/deeper"),
        lambda root: (root / "normal/.hidden").write_bytes(b"changed"),
    ],
)
def test_every_change_shows_in_the_digest(root, change):
    before = read_tree(root).digest
    assert read_tree(root).digest == before
    change(root)
    assert read_tree(root).digest != before


def test_a_folder_without_permission_is_named(root):
    if os.geteuid() == 0:
        pytest.skip("root may list every folder")
    (root / "fracture").chmod(0)
    try:
        assert read_tree(root).folders[0].error == "Permission denied"
    finally:
        (root / "fracture").chmod(0o755)
