"""`spinefrac runs` lists, shows and cancels what is in the database."""

from pathlib import Path

import pytest

from spinefrac.training.settings import TrainingSettings
from tests.support.runs import submit


def test_there_are_no_runs_at_first(run_json, home: Path) -> None:
    assert run_json("runs", "list") == (0, [])


def test_a_cancelled_run_is_listed(run_json, home: Path, phantom_slices: Path) -> None:
    run = submit(phantom_slices, TrainingSettings(folds=2))
    status, cancelled = run_json("runs", "cancel", "first")
    assert status == 0 and cancelled["state"] == "cancelled"
    _, listed = run_json("runs", "list")
    assert [entry["id"] for entry in listed] == [run.id]
    _, shown = run_json("runs", "show", run.id)
    assert shown["state"] == "cancelled" and len(shown["folds"]) == 2


@pytest.mark.parametrize("command", ["show", "follow", "cancel", "resume"])
def test_a_run_that_does_not_exist_is_an_error(run_json, home: Path, command: str) -> None:
    assert run_json("runs", command, "nothing") == (1, None)
