"""Background jobs: a thread that works while a page polls its progress and can cancel it.

A page is a script that ends; longer work runs in a thread here, and the page polls it. A job
that was not polled for `IDLE_TIMEOUT_S` seconds stops, since its page was closed.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from spinefrac.errors import SpinefracError

log = logging.getLogger("spinefrac.jobs")

T = TypeVar("T")

#: Seconds without a poll after which a job stops. A hidden browser tab polls once a minute.
IDLE_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class JobProgress:
    """Progress of a job: items done and in all, seconds since its start, and its state.

    `state` is ``running``, ``finished``, ``cancelled`` or ``failed``; `error` says why it failed.
    """

    done: int
    total: int
    seconds: float
    state: str
    error: str = ""

    @property
    def running(self) -> bool:
        return self.state == "running"


class BackgroundJob(Generic[T]):
    """A thread that consumes an iterator and collects its items.

    Parameters
    ----------
    items : iterator
        Closed when the job ends, however it ends.
    total : int
        Number of items.
    """

    def __init__(self, items: Iterator[T], total: int) -> None:
        self._items = items
        self._total = total
        self._results: list[T] = []
        self._started_at = self._polled_at = time.monotonic()
        self._ended_at: float | None = None
        self._state = "running"
        self._error = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="job", daemon=True)
        self._thread.start()

    def poll(self) -> JobProgress:
        """Return the progress, and reset the idle timeout."""
        self._polled_at = time.monotonic()
        return JobProgress(
            done=len(self._results),
            total=self._total,
            seconds=(self._ended_at or time.monotonic()) - self._started_at,
            state=self._state,
            error=self._error,
        )

    def results(self) -> list[T]:
        """Return the items so far, in order."""
        return list(self._results)

    def cancel(self) -> None:
        """Stop after the current item; the results stay."""
        self._stop.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the job has ended, at most `timeout_s` seconds; return whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        state = "finished"
        try:
            for item in self._items:
                self._results.append(item)
                if self._stop.is_set() or time.monotonic() - self._polled_at > IDLE_TIMEOUT_S:
                    state = "finished" if len(self._results) == self._total else "cancelled"
                    break
        except SpinefracError as error:
            state, self._error = "failed", str(error)
        except Exception as error:  # noqa: BLE001 - nothing above a thread would report it
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error("unexpected %s\n%s", type(error).__name__, where)
            state = "failed"
            self._error = "something unexpected went wrong; the server's log says where"
        finally:
            close = getattr(self._items, "close", None)
            if close:
                close()
            self._ended_at = time.monotonic()
            self._state = state
