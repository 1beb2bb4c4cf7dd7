"""A synthetic set is made on the page, and is chosen when it is complete."""

from __future__ import annotations

import time
from pathlib import Path

from spinefrac.data.phantom import worker
from spinefrac.ui.train import synthetic_set
from tests.ui.train.support import page


def test_a_set_is_made_and_chosen(root: Path, monkeypatch) -> None:
    monkeypatch.setattr(synthetic_set, "SLICES", 1)
    out = synthetic_set.make_folder(root, "easy", 10)
    app = page(way="synthetic")
    app.selectbox(key="train-synthetic-difficulty").set_value("easy")
    app.select_slider(key="train-synthetic-patients").set_value(10)
    app.button(key="train-synthetic").click().run(timeout=30)
    assert not app.exception and not app.error
    assert not [one for one in app.button if one.key == "train-synthetic"], "it is being made"
    for _ in range(1200):
        if not worker.read_progress(out).running:
            break
        time.sleep(0.1)
    app.run(timeout=30)
    assert app.selectbox(key="train-folder").value == "data/synthetic-easy-10"
    assert len(list(out.glob("*/P*.png"))) >= 10


def test_a_folder_with_other_files_is_not_overwritten(root: Path) -> None:
    out = synthetic_set.make_folder(root, "standard", 20)
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    app = page(way="synthetic")
    app.button(key="train-synthetic").click().run(timeout=30)
    for _ in range(600):
        if not worker.read_progress(out).running:
            break
        time.sleep(0.1)
    app.run(timeout=30)
    assert "is not empty" in app.error[0].value
    assert sorted(path.name for path in out.iterdir()) == ["mine.txt"]
