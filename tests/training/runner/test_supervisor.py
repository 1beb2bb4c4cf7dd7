"""The runner executes queued runs and records how each ended."""

import shutil

import pytest

from spinefrac.system import memory_shortage
from spinefrac.training import runs
from spinefrac.training.runner import supervisor
from spinefrac.training.runs import database, lease
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


def die_once(run: runs.Run, oom_kills: int | None) -> None:
    """Leave an attempt as a runner does that is killed."""
    with database.write_transaction() as connection:
        connection.execute("UPDATE runs SET state = 'running'")
        connection.execute(
            "INSERT INTO attempts (run, number, pid, host, started, heartbeat, oom_kills)"
            " VALUES (?, 1, 1, 'here', 1.0, 1.0, ?)",
            (run.id, oom_kills),
        )


def test_lack_of_memory_is_said_after_one_attempt(folder, quick) -> None:
    count = memory_shortage.count_oom_kills()
    if count is None:
        pytest.skip("this system does not count processes that it ended for lack of memory")
    die_once(submit(folder, quick), count - 1)
    assert supervisor.main([]) == 0
    run = runs.get_run("first")
    assert (run.state, run.attempts) == ("failed", 1) and run.is_resumable
    assert "lack of memory" in run.error and "fewer workers" in run.error


def test_what_the_log_says_of_memory_counts_too(folder, quick) -> None:
    die_once(submit(folder, quick), None)
    lease.log_path().write_text("terminate called after throwing 'std::bad_alloc'")
    assert supervisor.main([]) == 0
    assert "lack of memory" in runs.get_run("first").error


def test_a_runner_that_was_killed_otherwise_is_followed_by_another(folder, quick) -> None:
    die_once(submit(folder, quick), memory_shortage.count_oom_kills())
    shutil.rmtree(folder)
    assert supervisor.main([]) == 0
    assert runs.get_run("first").attempts == 2


def test_an_error_of_memory_in_the_runner_is_one_of_memory() -> None:
    for error in (
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        ImportError("std::bad_alloc"),
    ):
        wrap = supervisor._wrap_os_error if isinstance(error, OSError) else None
        told = str((wrap or supervisor._wrap_unexpected_error)(error))
        assert "lack of memory" in told and "\n" not in told
