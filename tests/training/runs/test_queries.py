"""What the database says of runs, in the order in which they are executed."""

import time

from spinefrac.training import runs
from spinefrac.training.runs import database
from tests.support.runs import submit


def test_runs_are_listed_as_they_will_be_executed_then_the_newest_first(folder, quick):
    for name in ("a", "b", "c", "d"):
        submit(folder, quick, name)
        time.sleep(0.01)
    runs.cancel("a")
    runs.cancel("c")
    runs.resume("a", start_runner=False)
    assert [run.name for run in runs.list_runs()] == ["b", "d", "a", "c"]
    assert [runs.get_progress(name).position for name in ("b", "d", "a", "c")] == [1, 2, 3, None]
    assert [run.name for run in runs.list_runs(limit=2)] == ["b", "d"]


def test_looking_makes_no_database(home):
    assert runs.list_runs() == () and runs.get_runner_state() is None and not runs.ensure_runner()
    assert not database.database_path().exists()
