"""Saved estimates, and estimates in processes of their own."""

import time

from spinefrac.training.estimate import background
from spinefrac.training.estimate.compute import Estimate, NetworkEstimate

FOUND = Estimate("f" * 64, 48, 48, 12, 5, (NetworkEstimate("lite0", 0.8, 0.7, 0.9),), 3.0)


def test_an_estimate_is_found_until_the_folder_changes(folder):
    assert background.find(folder) is None
    background.progress_path(folder).parent.mkdir(parents=True)
    background.save(folder, FOUND)
    assert background.find(folder) == FOUND
    next((folder / "normal").iterdir()).unlink()
    assert background.find(folder) is None


def test_a_damaged_result_is_no_result(folder):
    background.progress_path(folder).parent.mkdir(parents=True)
    background.save(folder, FOUND)
    (saved,) = background.progress_path(folder).parent.glob("*.json")
    saved.write_text('{"networks": 3}')
    assert background.find(folder) is None


def test_a_process_starts_and_can_be_cancelled(folder):
    assert background.read_progress(folder) is None
    background.start(folder)
    assert background.read_progress(folder).running
    background.stop(folder)
    assert background.read_progress(folder) is None and background.find(folder) is None


def test_a_folder_that_is_none_ends_in_a_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    background.start(tmp_path / "empty")
    end = time.monotonic() + 120
    while background.read_progress(tmp_path / "empty").running:
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    assert "folder is empty" in background.read_progress(tmp_path / "empty").error
