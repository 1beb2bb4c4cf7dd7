"""Facts of a folder, before and after its audit."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spinefrac.audit import audit_folder, background
from spinefrac.data.preview import preview_folder
from spinefrac.training import runs
from spinefrac.ui.train import folder as folder_view
from tests.support.listings import count_listings
from tests.training.conftest import write_slices
from tests.ui.train.support import only_error, page, press_train, text


@pytest.fixture(scope="module")
def preview(tmp_path_factory):
    place = tmp_path_factory.mktemp("folder") / "slices"
    write_slices(place)
    return preview_folder(place)


def test_groups_are_known_after_the_audit_only(preview):
    facts = dict(folder_view.list_facts(preview, None))
    normal, fracture = preview.class_counts
    assert facts["Slices"] == (f"{normal + fracture}: {fracture} with a fracture, {normal} without")
    assert facts["Groups (patients)"] == "available after the audit"


def test_notes_with_undecodable_file_names_can_be_sent(preview):

    facts = folder_view.list_facts(replace(preview, notes=("bad name: \udcff.png",)), None)
    assert ("Note", "bad name: ?.png") in facts
    assert "\n".join(text for _, text in facts).encode()


def test_examples_of_both_classes_are_shown(preview):
    html = folder_view.render_examples(preview)
    assert html.count("data:image/jpeg;base64,") == len(preview.examples) == 10
    assert "Slice, no fracture" in html and "Slice, fracture" in html
    assert all(isinstance(example.image, np.ndarray) for example in preview.examples)


def test_a_class_without_readable_files_says_so(preview):

    html = folder_view.render_examples(replace(preview, examples=()))
    assert html.count("None of the first files can be read.") == 2


def test_folders_within_the_roots_can_be_chosen(root: Path) -> None:
    app = page()
    assert app.selectbox(key="train-folder").options == ["data/spines"]
    ways = [app.button(key=f"way-{way}").label for way in ("folder", "upload", "synthetic")]
    assert ways == ["Use my folder", "Upload slices", "Make a synthetic set"]
    app.selectbox(key="train-folder").set_value("data/spines").run()
    told = text(app)
    assert "48: 24 with a fracture, 24 without" in told
    assert "12; each group stays in one fold" in told
    assert told.count("data:image/jpeg") == 10
    assert not app.error
    assert any(box.label.startswith("**Audit: ") for box in app.expander)


def test_a_folder_is_listed_once_an_interaction(root: Path) -> None:
    classes = root / "spines" / "fracture"
    with count_listings(classes) as opened:
        app = page("data/spines")
    with count_listings(classes) as redrawn:
        app.run()
    with count_listings(classes) as submitted:
        press_train(app)
    assert len(runs.list_runs()) == 1
    assert [len(opened), len(redrawn), len(submitted)] == [1, 1, 1]


@pytest.mark.parametrize("typed", ["absent", "/etc", "../secret", "leads-out", "\0"])
def test_what_is_not_within_the_roots_is_refused(root: Path, tmp_path: Path, typed: str) -> None:
    write_slices(tmp_path / "secret")
    (root / "leads-out").symlink_to(tmp_path / "secret")
    try:
        app = page(typed)
    finally:
        (root / "leads-out").unlink()
    assert only_error(app).startswith("Expected a folder within ")
    assert not app.button


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("empty", "The folder is empty"),
        ("one class", "Expected two classes"),
        ("no classes", "No class folder recognised"),
        ("unreadable", "Of 8 files, no slice of the class"),
    ],
)
def test_a_folder_that_cannot_be_trained_on_says_why(root: Path, what: str, said: str) -> None:
    folder = root / "bad"
    folder.mkdir()
    try:
        if what != "empty":
            names = {"one class": ["fracture"], "no classes": ["left", "right"]}
            for name in names.get(what, ["fracture", "normal"]):
                (folder / name).mkdir()
                for number in range(4):
                    source = root / "spines" / "fracture" / f"P{number:02}_0.png"
                    shutil.copyfile(source, folder / name / source.name)
                    if what == "unreadable":
                        (folder / name / source.name).write_bytes(b"not a picture")
        app = page("data/bad")
        if what == "unreadable":  # the process that reads every slice says so
            for _ in range(600):
                found = background.read_progress(folder)
                if found is None or not found.running:
                    break
                time.sleep(0.1)
            app = page("data/bad")
        assert said in only_error(app)
    finally:
        background.clear_progress(folder)
        shutil.rmtree(folder)


def test_some_unreadable_files_are_named(root: Path) -> None:
    folder = root / "some"
    try:
        shutil.copytree(root / "spines", folder)
        (folder / "normal" / "P01_1.png").write_bytes(b"not a picture")
        audit_folder(folder)
        told = text(page("data/some"))
        assert "1 file, skipped. normal/P01_1.png" in told
        assert "47: 24 with a fracture, 23 without" in told
    finally:
        shutil.rmtree(folder)


def test_a_large_folder_is_not_read_unasked(
    root: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spinefrac.ui.train import folder as folder_view

    started: list[Path] = []
    monkeypatch.setattr(background, "start_audit", lambda folder, **_: started.append(folder))
    monkeypatch.setenv("SPINEFRAC_HOME", str(data / "other-home"))  # where it was never audited
    monkeypatch.setattr(folder_view, "AUTO_AUDIT_MAX_FILES", 47)
    app = page("data/spines")
    assert not started
    assert app.button(key="audit-start").label == "Audit this folder"
    assert "48: 24 with a fracture" in text(app)
    assert "The audit is not complete" in text(app)
    monkeypatch.setattr(folder_view, "AUTO_AUDIT_MAX_FILES", 48)
    app.run()
    assert started == [root / "spines"]
