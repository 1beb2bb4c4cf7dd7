"""The records of runs: what is open, what can be resumed, and the defaults of a request."""

from dataclasses import replace

import pytest

from spinefrac.training import runs
from spinefrac.training.settings import TrainingSettings
from tests.support.runs import submit


def test_a_request_needs_a_folder_and_a_name_only() -> None:
    request = runs.RunRequest("slices", "first")
    assert request.settings == TrainingSettings() and request.threshold_rule == "youden"
    assert request.cluster is None and request.parent is None and not request.list_only


@pytest.mark.parametrize(
    ("state", "is_open", "is_resumable"),
    [
        ("queued", True, False),
        ("running", True, False),
        ("done", False, False),
        ("failed", False, True),
        ("cancelled", False, True),
    ],
)
def test_what_can_be_done_follows_from_the_state(
    folder, quick, state: str, is_open: bool, is_resumable: bool
) -> None:
    run = replace(submit(folder, quick), state=state)
    assert (run.is_open, run.is_resumable) == (is_open, is_resumable)
