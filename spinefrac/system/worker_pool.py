"""Processes that may die: a pool of workers which parse and decode what came from elsewhere.

A worker that crashes, hangs or needs too much memory costs the call that it was working on, and
another one takes its place. Workers are started by `subprocess`, never by fork, get no secret of
the parent's environment, and end with their parent.
"""

from __future__ import annotations

import atexit
import logging
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from spinefrac import errors
from spinefrac.errors import SpinefracError
from spinefrac.system.resource_limits import ResourceLimits
from spinefrac.system.worker_messages import Reply
from spinefrac.system.worker_process import Failure, RemoteError, WorkerFailed, WorkerProcess

log = logging.getLogger("spinefrac.workers")

_R = TypeVar("_R")

#: Seconds without a call after which workers beyond `idle_workers` end.
_IDLE_S = 20.0


class WorkerPool:
    """Long-lived workers for the functions of one module.

    Parameters
    ----------
    module : str
        Its public functions are called by `call`; ``prepare()``, where there is one, is called
        before the first. Types of parameters and results are those that `msgspec` knows, and
        arrays within results.
    limits : ResourceLimits
    describe_failure : callable
        Returns the error that `call` raises for a `Failure`.
    workers : int
        At most so many.
    idle_workers : int
        So many are kept while there is nothing to do, one of them always ahead of the next call.
    max_calls : int
        A worker ends after so many.
    max_rss_mib : int
        A worker ends that holds so much memory after a call.
    calls_per_owner : int
        Calls of one owner at the same time; the next ones wait. 0 for any number. Whoever has
        a worker gets another one only where one is left for others.
    home : Path, optional
        The workers' home and temporary folder.
    environment : mapping of str to str
    """

    def __init__(
        self,
        module: str,
        limits: ResourceLimits,
        describe_failure: Callable[[Failure], SpinefracError],
        *,
        workers: int = 1,
        idle_workers: int = 0,
        max_calls: int = 1,
        max_rss_mib: int = 1 << 20,
        calls_per_owner: int = 0,
        home: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._module, self._limits, self._describe = module, limits, describe_failure
        self._workers, self._idle_workers = workers, idle_workers
        self._max_calls, self._max_rss = max_calls, max_rss_mib << 20
        self._calls_per_owner = calls_per_owner or workers
        self._home = home or Path(tempfile.gettempdir())
        self._environment = dict(environment or {})
        self._changed = threading.Condition()
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()
        self._starting = self._waiting = 0
        self._owners: Counter[str] = Counter()
        self._is_started = self._is_closed = self._is_broken = False
        # The system ends a worker with the thread that started it, so one thread starts them all.
        threading.Thread(target=self._keep_workers, name="workers", daemon=True).start()
        atexit.register(self.close)

    def call(self, function: Callable[..., _R], *args: Any, owner: str = "") -> _R:
        """Call a function of the module in a worker and return its result.

        Parameters
        ----------
        function : callable
            Of the pool's module.
        *args
        owner : str
            For whom the call is; see `calls_per_owner`.

        Raises
        ------
        SpinefracError
            What the function raised, or what `describe_failure` returns.
        """
        try:
            worker = self._acquire(owner)
            try:
                return worker.call(function, args)
            finally:
                self._release(worker, owner)
        except RemoteError as error:
            raise self._rebuild_error(error.reply) from None
        except WorkerFailed as error:
            failure = error.failure
            log.warning(
                "worker of %s: %s, it %s", self._module, failure.reason, failure.description
            )
            raise self._describe(failure) from None

    def start(self) -> None:
        """Start the workers that are kept idle, without waiting for them."""
        with self._changed:
            self._is_started = True
            self._changed.notify_all()

    def close(self) -> None:
        """End all workers; a call that is in progress fails."""
        atexit.unregister(self.close)
        with self._changed:
            self._is_closed = True
            left = [*self._idle, *self._busy]
            self._idle.clear()
            self._changed.notify_all()
        for worker in left:
            worker.kill()

    def _rebuild_error(self, reply: Reply) -> SpinefracError:
        """Return the error that a worker describes; one of an unknown kind is a failure."""
        if rebuild := _ERROR_TYPES.get(reply.kind):
            return rebuild(reply)
        kind = getattr(errors, reply.kind, None)
        if isinstance(kind, type) and issubclass(kind, SpinefracError):
            return kind(reply.error)
        text = f"{reply.kind}: {reply.error}"
        log.warning("%s: unexpected %s", self._module, reply.kind)
        return self._describe(Failure("exception", text, self._limits))

    # --- workers ---------------------------------------------------------------------------

    def _acquire(self, owner: str) -> WorkerProcess:
        with self._changed:
            self._is_started = True
            self._is_broken = False
            self._waiting += 1
            self._changed.notify_all()
            try:
                while not self._may_take(owner):
                    if self._is_closed or self._is_broken:
                        raise WorkerFailed(Failure("crash", "could not be started", self._limits))
                    self._changed.wait()
            finally:
                self._waiting -= 1
            worker = self._idle.pop()
            self._busy.add(worker)
            self._owners[owner] += 1
            return worker

    def _may_take(self, owner: str) -> bool:
        """Whether an owner gets a worker now: whoever has one already leaves one to others."""
        own = self._owners[owner]
        ahead = 1 if own and self._idle_workers else 0
        return len(self._idle) > ahead and own < self._calls_per_owner

    def _release(self, worker: WorkerProcess, owner: str) -> None:
        if worker.calls >= self._max_calls or worker.rss_bytes > self._max_rss:
            worker.close()
        with self._changed:
            self._busy.discard(worker)
            self._owners[owner] -= 1
            if not self._owners[owner]:
                del self._owners[owner]
            if worker.is_usable and not self._is_closed:
                worker.used_at = time.monotonic()
                self._idle.append(worker)
            self._changed.notify_all()

    def _keep_workers(self) -> None:
        """Start and end workers as they are needed, until the pool is closed."""
        while self._wait_for_need():
            try:
                WorkerProcess(
                    self._module, self._limits, self._home, self._environment, self._add_worker
                )
            except OSError as error:
                log.error("%s: no worker could be started: %s", self._module, error.strerror)
                self._add_worker(None)

    def _wait_for_need(self) -> bool:
        """Wait until another worker is needed; return False where the pool is closed."""
        with self._changed:
            while not self._is_closed:
                if self._is_started and not self._is_broken and self._count() < self._wanted():
                    self._starting += 1
                    return True
                excess = self._count() > max(self._wanted(), self._idle_workers)
                self._changed.wait(_IDLE_S / 4 if excess else None)
                self._end_unused_worker()
            return False

    def _count(self) -> int:
        return len(self._idle) + len(self._busy) + self._starting

    def _wanted(self) -> int:
        ahead = 1 if self._idle_workers else 0
        needed = len(self._busy) + self._waiting + ahead
        return min(self._workers, max(self._idle_workers, needed))

    def _end_unused_worker(self) -> None:
        """End the worker that waited longest, where there are too many of them."""
        if len(self._idle) > self._idle_workers and self._count() > self._wanted():
            oldest = min(self._idle, key=lambda worker: worker.used_at)
            if time.monotonic() - oldest.used_at > _IDLE_S:
                self._idle.remove(oldest)
                oldest.close()

    def _add_worker(self, worker: WorkerProcess | None) -> None:
        """Take in a worker that is ready; one that ended while it started fails all who wait."""
        with self._changed:
            self._starting -= 1
            if worker is None or not worker.is_usable:
                self._is_broken = True
            elif self._is_closed:
                worker.close()
            else:
                self._idle.insert(0, worker)
            self._changed.notify_all()


#: How an error with attributes of its own is rebuilt from a worker's reply, by its class's name.
_ERROR_TYPES: dict[str, Callable[[Reply], SpinefracError]] = {}


def register_error_type(
    error_type: type[SpinefracError], rebuild: Callable[[Reply], SpinefracError]
) -> None:
    """Register how an error with attributes of its own is rebuilt from a worker's reply."""
    _ERROR_TYPES[error_type.__name__] = rebuild
