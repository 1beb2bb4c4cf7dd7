"""The process of an audit: progress while it reads, then a result or one sentence."""

import json

from spinefrac.audit import background, cache, worker
from spinefrac.data import phantom


def test_a_result_and_the_progress(tmp_path):
    folder = tmp_path / "set"
    phantom.write_phantom(folder, patients=4, slices=2, seed=1, size=256, workers=1)
    background.progress_path(folder).parent.mkdir(parents=True)
    assert worker.main(folder) == 0
    state = json.loads(background.progress_path(folder).read_text())
    assert state["finished"] and state["done"] == state["total"] == 8
    assert cache.find_by_listing(cache.hash_listing(folder, "auto")).images == 8


def test_an_error_is_one_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    background.progress_path(tmp_path / "empty").parent.mkdir(parents=True)
    assert worker.main(tmp_path / "empty") == 1
    state = json.loads(background.progress_path(tmp_path / "empty").read_text())
    assert "The folder is empty" in state["error"] and "\n" not in state["error"]
