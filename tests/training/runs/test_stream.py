"""A run is followed from its first event to its last."""

import pytest

from spinefrac.errors import RunError
from spinefrac.training import runs
from tests.support.runs import submit


def test_the_events_of_a_run_that_ended_come_in_order(folder, quick) -> None:
    run = submit(folder, quick)
    runs.cancel(run.id)
    events = [event for event in runs.follow("first") if event is not None]
    assert [event.message for event in events] == ["queued", "cancelled"]
    assert [event.id for event in events] == sorted(event.id for event in events)
    (last,) = runs.follow(run.id, after=events[0].id)
    assert last == events[1]


def test_a_run_that_does_not_exist_is_named() -> None:
    with pytest.raises(RunError, match="no run 'nothing'"):
        next(runs.follow("nothing"))
