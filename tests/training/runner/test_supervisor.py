"""The runner executes queued runs and records how each ended."""

import shutil

from spinefrac.training import runs
from spinefrac.training.runner import supervisor
from tests.support.runs import submit


def test_a_run_that_cannot_be_prepared_fails_and_the_next_is_taken(folder, quick) -> None:
    names = ("first", "second")
    for name in names:
        submit(folder, quick, name)
    shutil.rmtree(folder)
    assert supervisor.main([]) == 0
    for name in names:
        run = runs.get_run(name)
        assert (run.state, run.error_kind, run.attempts) == ("failed", "DatasetError", 1)
        assert run.is_resumable and "does not exist" in run.error
    assert runs.get_runner_state() is None


def test_without_a_run_it_ends_at_once(home) -> None:
    assert supervisor.main([]) == 0
    assert runs.list_runs() == () and runs.get_runner_state() is None
