"""The process of an estimate: its result is saved for the folder, by default settings."""

import json

import pytest

from spinefrac.training.estimate import background, worker


@pytest.mark.slow
def test_a_result_and_the_progress(folder):
    background.progress_path(folder).parent.mkdir(parents=True)
    assert worker.main(folder) == 0
    state = json.loads(background.progress_path(folder).read_text())
    assert state["finished"] and state["done"] == state["total"]
    assert background.find(folder).groups == 12
