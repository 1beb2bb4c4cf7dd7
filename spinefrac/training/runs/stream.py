"""Follow the events of a run until it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator

from spinefrac.training.runs.lease import ensure_runner
from spinefrac.training.runs.queries import get_run, list_events
from spinefrac.training.runs.records import Event

_POLL_INTERVAL_S = 0.25


def follow(run_id: str, after: int = 0) -> Iterator[Event | None]:
    """Yield the events of a run as they happen, and None several times a second.

    A runner that died is replaced. It ends with the run; a caller that stops early does not
    affect the run.

    Parameters
    ----------
    run_id : str
        Id or name.
    after : int
        Id of the last known event.

    Raises
    ------
    RunError
        There is no such run.
    """
    run_id = get_run(run_id).id
    while True:
        ended = not get_run(run_id).is_open
        for event in list_events(run_id, after):
            after = event.id
            yield event
        if ended:
            return
        yield None
        ensure_runner()
        time.sleep(_POLL_INTERVAL_S)
