"""Paths of tables find their files however another system wrote them."""

import unicodedata

import pytest

from spinefrac.data.listed_files import ListedFiles


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "set"
    for name in ("img/a.png", "img/B.png", "img/b.png", "Wirbelsa\u0308ule/1.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("img/a.png", "img/a.png"),
        ("img\\a.png", "img/a.png"),
        ("./img//a.png", "img/a.png"),
        ("IMG/A.PNG", "img/a.png"),
        ("img/B.png", "img/B.png"),
        ("IMG/b.png", None),  # two files fit
        ("img/c.png", None),
        ("img", None),
        ("", None),
        ("a\0", None),
    ],
)
def test_paths(root, written, found):
    assert ListedFiles(root).find(written) == found


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_both_unicode_forms(root, form):
    written = unicodedata.normalize(form, "Wirbelsäule/1.png")
    found = ListedFiles(root).find(written)
    assert found is not None and (root / found).is_file()


@pytest.mark.parametrize("written", ["../secret.png", "/etc/hostname", "img/link.png"])
def test_paths_out_of_the_folder(root, tmp_path, written):
    (tmp_path / "secret.png").write_bytes(b"x")
    (root / "img/link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(ValueError, match="leads out"):
        ListedFiles(root).find(written)
