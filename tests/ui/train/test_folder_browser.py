"""The browser of folders: where it goes, where it does not, and what it chooses."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from spinefrac.access import datasets
from tests.ui.train.support import page, text


def open_folder(app: AppTest, name: str) -> AppTest:
    button = next(one for one in app.button if one.label == name)
    button.click().run()
    assert not app.exception
    return app


def list_folders(app: AppTest) -> list[str]:
    return [one.label for one in app.button if (one.key or "").startswith("open-folder-")]


def test_a_folder_is_found_and_chosen(root: Path) -> None:
    app = page(way="folder")
    assert list_folders(app) == ["Up", "spines"]
    assert app.button(key="open-folder-up").disabled
    open_folder(app, "spines")
    assert list_folders(app) == ["Up", "fracture", "normal"]
    open_folder(app, "Up")
    open_folder(app, "spines").button(key="use-folder").click().run()
    assert not app.exception and not app.error
    assert app.selectbox(key="train-folder").value == "data/spines"


def test_links_and_uploads_of_others_are_no_folders(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "uploads_dir", lambda: root / "uploads")
    (root / "uploads").mkdir()
    (root / "elsewhere").symlink_to(tmp_path)
    try:
        assert list_folders(page(way="folder")) == ["Up", "spines"]
    finally:
        (root / "elsewhere").unlink()
        (root / "uploads").rmdir()


def test_without_a_root_it_says_what_to_do(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINEFRAC_DATA_ROOTS", str(root / "absent"))
    told = text(page(way="folder"))
    assert str(root / "absent") in told and "SPINEFRAC_DATA_ROOTS=" in told
