"""Follow a run until it ends, seeing that a runner is at work."""

from __future__ import annotations

import time
from collections.abc import Iterator

from spinefrac.training.runs.lease import ensure_runner
from spinefrac.training.runs.queries import events, get
from spinefrac.training.runs.records import Event

_POLL_S = 0.25


def follow(run: str, after: int = 0) -> Iterator[Event | None]:
    """Yield what happens in a run as it happens, and None several times a second.

    A runner that died is replaced. It ends when the run does; whoever stops listening
    leaves the run as it is.

    Parameters
    ----------
    run : str
        Id or name.
    after : int
        Id of the last event that is known already.

    Raises
    ------
    RunError
        There is no such run.
    """
    run = get(run).id
    while True:
        ended = not get(run).open
        for event in events(run, after):
            after = event.id
            yield event
        if ended:
            return
        yield None
        ensure_runner()
        time.sleep(_POLL_S)
