"""A phantom in a process of its own: progress, result, and what goes wrong."""

from __future__ import annotations

import pytest

from spinefrac.data.phantom import worker


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))


def test_the_end_is_told(tmp_path):
    out = tmp_path / "set"
    assert worker.read_progress(out) is None
    assert worker.main(out, 2, 1, 7, "easy") == 0
    found = worker.read_progress(out)
    assert (found.done, found.total, found.running, found.error) == (2, 2, False, "")
    assert len(list(out.glob("masks/*.png"))) >= 1


def test_a_folder_of_others_is_left_alone(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("mine")
    assert worker.main(tmp_path / "set", 2, 1, 7, "easy") == 1
    assert "is not empty" in worker.read_progress(tmp_path / "set").error
