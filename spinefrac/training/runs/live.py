"""Runs that are watched: read once a second for everybody who looks, not by each of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from spinefrac import settings
from spinefrac.training.runs import queries
from spinefrac.training.runs.records import Run, RunProgress

_T = TypeVar("_T")

#: Seconds for which a reading serves everybody.
INTERVAL_S = 1.0
#: Readings that are kept; the oldest is dropped first.
_MAX_READINGS = 64


class SharedReader(Generic[_T]):
    """Readings by key, each of which serves all callers for some time.

    Callers that come while one of them reads wait for that reading. What the function raises is
    raised to the caller who read, and the next one reads anew.

    Parameters
    ----------
    read : callable
        Returns the reading of a key.
    interval_s : float
    """

    def __init__(self, read: Callable[[str], _T], interval_s: float = INTERVAL_S) -> None:
        self._read, self._interval_s = read, interval_s
        self._lock = threading.Lock()
        self._readings: dict[tuple[str, str], tuple[float, _T]] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}

    def get(self, key: str) -> _T:
        """Return the reading of a key, at most `interval_s` old."""
        place = (str(settings.home()), key)
        with self._lock:
            lock = self._locks.setdefault(place, threading.Lock())
        with lock:
            known = self._readings.get(place)
            if known is not None and time.monotonic() - known[0] < self._interval_s:
                return known[1]
            started = time.monotonic()
            reading = self._read(key)
            with self._lock:
                self._readings.pop(place, None)
                self._readings[place] = started, reading
                while len(self._readings) > _MAX_READINGS:
                    oldest = next(iter(self._readings))
                    del self._readings[oldest]
                    self._locks.pop(oldest, None)
            return reading

    def forget(self) -> None:
        """Have the next caller read anew, because something was changed."""
        with self._lock:
            self._readings.clear()


_progress = SharedReader(queries.get_progress)
_runs: SharedReader[tuple[Run, ...]] = SharedReader(lambda limit: queries.list_runs(int(limit)))


def get_progress(run_id: str) -> RunProgress:
    """Return `queries.get_progress`, at most a second old; the same object while it is.

    Raises
    ------
    RunError
        There is no such run.
    """
    return _progress.get(run_id)


def list_runs(limit: int = 100) -> tuple[Run, ...]:
    """Return `queries.list_runs`, at most a second old."""
    return _runs.get(str(limit))


def forget() -> None:
    """Have everybody read anew, because somebody has just changed a run."""
    _progress.forget()
    _runs.forget()
