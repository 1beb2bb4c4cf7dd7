"""Train the folds of a plan as tasks of a Dask client.

Every task is given to a worker that is free, after that worker has been sent what it lacks. A
fold whose process or worker dies is taken up again from its last checkpoint; one that dies
again and again without finishing another epoch ends the run.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import os
import queue
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from spinefrac.errors import Cancelled, SpinefracError, TrainingError
from spinefrac.records import EpochRecord, FoldResult
from spinefrac.training import checkpoint
from spinefrac.training.runner import dask_tasks
from spinefrac.training.runner.dask_tasks import FoldDied, Place, Sight, Trained
from spinefrac.training.runner.workspace import PARTS, Plan, sha256_of, whole

if TYPE_CHECKING:
    from distributed import Client, Future

#: A fold may die so often in a row without having finished an epoch in between.
MOST_DEATHS = 3
#: How long to wait for a cluster that has no worker.
_NO_WORKER_S = 300.0
_TICK_S = 0.2
_LOOK_S = 1.0
_PIECE = 16 * 2**20
#: What Dask raises for a task whose worker or scheduler went away.
_TASK_GONE = (asyncio.CancelledError, concurrent.futures.CancelledError)


class Journal(Protocol):
    """What is told while folds train; see `spinefrac.training.runner.journal`."""

    def log(self, line: str) -> None: ...
    def fold(self, fold: int, state: str, worker: str, message: str) -> None: ...
    def batch(self, fold: int, worker: str, at: tuple[int, int, int], rate: float) -> None: ...
    def epoch(self, record: EpochRecord, rate: float | None) -> None: ...
    def workers(self, states: dict[str, tuple[str, int | None]]) -> None: ...
    def flush(self) -> None: ...


@dataclass
class _Running:
    """A fold at work: on which worker, known there by which key."""

    future: Future
    worker: str
    key: str
    shared: bool


@dataclass
class _Work:
    """The folds of a plan, on their way."""

    plan: Plan
    client: Client
    journal: Journal
    place: Place
    local: bool
    waiting: list[int]
    running: dict[int, _Running] = field(default_factory=dict)
    deaths: Counter[int] = field(default_factory=Counter)
    heard: queue.SimpleQueue[dict[str, Any]] = field(default_factory=queue.SimpleQueue)
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    refused: set[str] = field(default_factory=set)
    last_seen: float = field(default_factory=time.monotonic)
    lacking_said: bool = False
    known: dict[str, str] = field(default_factory=dict)


def train_folds(
    plan: Plan,
    client: Client,
    journal: Journal,
    cancelled: Callable[[], bool],
    *,
    local: bool,
) -> list[FoldResult]:
    """Train every fold of a plan that is not trained yet.

    Parameters
    ----------
    plan : Plan
        Already written.
    client : distributed.Client
    journal : Journal
        Told what happens, in this thread.
    cancelled : callable
        Asked several times a second.
    local : bool
        Whether the client's workers are this machine's.

    Returns
    -------
    list of FoldResult
        In the order of the folds.

    Raises
    ------
    TrainingError
        A fold failed, or died too often; the others are stopped.
    Cancelled
        `cancelled` said so.
    """
    folds = range(plan.settings.folds)
    for fold in folds:
        if (done := plan.read_result(fold)) is not None:
            _catch_up(journal, done.history)
            journal.fold(fold, "done", "", "")  # after its epochs, which say that it trains
    digest = whole(plan.folder)
    assert digest is not None, "the plan is written before it is trained"
    work = _Work(
        plan=plan,
        client=client,
        journal=journal,
        place=Place(str(plan.folder), digest),
        local=local,
        waiting=[fold for fold in folds if plan.read_result(fold) is None],
    )
    topic = f"spinefrac-{digest[:16]}-{os.getpid()}-{time.time_ns()}"
    client.subscribe_topic(topic, lambda event: work.heard.put(event[1]))
    try:
        _run(work, topic, cancelled)
    except BaseException:
        _stop(work)
        raise
    finally:
        client.unsubscribe_topic(topic)
        if not local:
            _quietly(client.run, dask_tasks.forget, work.place)
    return [_require(plan.read_result(fold), fold) for fold in folds]


def _run(work: _Work, topic: str, cancelled: Callable[[], bool]) -> None:
    """Give out folds and listen until all are trained."""
    looked = 0.0
    while work.waiting or work.running:
        if cancelled():
            raise Cancelled("training was cancelled")
        if time.monotonic() - looked > _LOOK_S:
            looked = time.monotonic()
            _look_at_workers(work, topic)
        _listen(work)
        for fold in [fold for fold, one in work.running.items() if one.future.done()]:
            _finish(work, fold)
            looked = 0.0
        work.journal.flush()


# --- workers -----------------------------------------------------------------------------------


def _look_at_workers(work: _Work, topic: str) -> None:
    """Note which workers there are, take folds from those that are gone, give folds to the free."""
    client = work.client
    try:
        # Not `scheduler_info`: it hands out a cache that its own clock empties meanwhile.
        present = client.sync(client.scheduler.identity, n_workers=-1)["workers"]
    except (OSError, ValueError, AttributeError) as error:  # the last where it has closed
        raise TrainingError(
            f"the scheduler of the cluster no longer answers ({error}): start it again, then "
            "resume the run"
        ) from error
    names = {address: _name(work, address, entry) for address, entry in present.items()}
    work.known |= names
    for fold, one in list(work.running.items()):
        if one.worker not in present:
            one.future.cancel()
            _lost(work, fold, f"the worker of fold {fold + 1} is gone")
    busy = {one.worker: fold for fold, one in work.running.items()}
    hosts = Counter(entry["host"] for entry in present.values())
    for address in present:
        if work.waiting and address not in busy and address not in work.refused:
            fold = work.waiting[0]
            if _give(work, fold, address, hosts[present[address]["host"]], topic):
                work.waiting.remove(fold)
                busy[address] = fold
    gone = {name: ("lost", None) for a, name in work.known.items() if a not in present}
    work.journal.workers(
        gone
        | {
            name: ("training" if a in busy else "idle", busy.get(a))
            for a, name in names.items()
            if a not in work.refused
        }
    )
    _require_workers(work, bool(present.keys() - work.refused))


def _name(work: _Work, address: str, entry: dict[str, Any]) -> str:
    """Return what people call a worker."""
    if work.local:
        return f"worker {int(entry['name']) + 1}"
    name = str(entry.get("name") or address)
    return address.split("://")[-1] if "://" in name else name


def _require_workers(work: _Work, some: bool) -> None:
    """Wait for a worker for a while, and say so."""
    now = time.monotonic()
    if some:
        work.last_seen, work.lacking_said = now, False
    elif now - work.last_seen > _NO_WORKER_S:
        raise TrainingError(
            f"the cluster has had no usable worker for {_NO_WORKER_S:.0f} s: start workers as "
            "docs/cluster.md says, then resume the run"
        )
    elif not work.lacking_said:
        work.lacking_said = True
        work.journal.log("the cluster has no worker now; waiting for one")


def _give(work: _Work, fold: int, address: str, sharing: int, topic: str) -> bool:
    """Send a worker what it lacks, and give it a fold; False where it cannot take one."""
    try:
        sight: Sight = _on(work, address, dask_tasks.look, work.place, fold)
    except (ImportError, AttributeError) as error:
        work.refused.add(address)
        work.journal.log(f"the worker {address} has no spinefrac that fits ({error}); left out")
        return False
    except OSError:  # it went away just now
        return False
    if sight.version != version("spinefrac"):
        work.refused.add(address)
        work.journal.log(
            f"the worker on {sight.host} has spinefrac {sight.version}, not "
            f"{version('spinefrac')}; left out"
        )
        return False
    try:
        if not sight.shared:
            _send(work, address, fold, sight)
    except OSError:
        return False
    threads = (
        _threads(work.plan.settings, fold)
        if work.local
        else max(1, sight.cores // sharing)  # its cores are shared out between its workers
    )
    key = f"{topic}-fold-{fold}-{next(work.numbers)}"
    future = work.client.submit(
        dask_tasks.train, work.place, fold, threads, topic, key=key, workers=[address], pure=False
    )
    work.running[fold] = _Running(future, address, key, sight.shared)
    name = work.known.get(address, address)
    work.journal.fold(fold, "training", name, f"fold {fold + 1} starts")
    return True


def _threads(settings: Any, fold: int) -> int:
    """Return a fold's share of the cores: the last folds also take those that stand idle.

    It depends on the fold's number only, so that a run can be repeated.
    """
    cores = os.cpu_count() or 1
    workers = min(settings.workers or cores, settings.folds)
    return max(1, cores // min(workers, settings.folds - fold))


def _send(work: _Work, address: str, fold: int, sight: Sight) -> None:
    """Send a worker the plan and the fold's newest checkpoint where it lacks them."""
    if not sight.has_plan:
        work.journal.log(f"sending the slices to {sight.host}")
        for part in PARTS:
            _send_file(work, address, work.plan.folder / part, part)
        if not _on(work, address, dask_tasks.check_plan, work.place):
            raise OSError("the plan arrived damaged")
    kept = checkpoint.newest(work.plan.checkpoint_path(fold))
    if kept and (checkpoint.read_epoch(kept) or 0) > sight.epoch:
        _send_file(work, address, kept, work.plan.checkpoint_path(fold).name)


def _send_file(work: _Work, address: str, path: Path, name: str) -> None:
    size = path.stat().st_size
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            start, end = stream.tell() - len(piece), stream.tell()
            _on(work, address, dask_tasks.take, work.place, name, piece, start, end == size)


def _on(work: _Work, address: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function on one worker, beside the task that it is at."""
    answer = work.client.run(function, *arguments, workers=[address])
    if address not in answer:
        raise OSError(f"the worker {address} is gone")
    return answer[address]


# --- what folds say ------------------------------------------------------------------------------


def _listen(work: _Work) -> None:
    """Pass on what the folds said, waiting a moment for more."""
    deadline = time.monotonic() + _TICK_S
    while True:
        try:
            message = work.heard.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return
        one = work.running.get(message["fold"])
        if one is not None and one.key == message["key"]:
            _pass_on(work, message["fold"], one, message)


def _pass_on(work: _Work, fold: int, one: _Running, message: dict[str, Any]) -> None:
    if "resumed" in message:
        history = tuple(EpochRecord(**record) for record in message["resumed"])
        _catch_up(work.journal, history)
        if history:
            work.journal.log(f"fold {fold + 1} goes on after epoch {history[-1].epoch}")
    elif "batch" in message:
        epoch, batch, batches = message["batch"]
        name = work.known.get(one.worker, one.worker)
        work.journal.batch(fold, name, (epoch, batch, batches), message["rate"])
    elif "epoch" in message:
        work.deaths[fold] = 0
        work.journal.epoch(EpochRecord(**message["epoch"]), message["rate"])
        if not one.shared:
            _fetch_checkpoint(work, fold, one)


def _catch_up(journal: Journal, history: tuple[EpochRecord, ...]) -> None:
    """Note epochs that were kept when their runner could no longer note them."""
    for record in history:
        journal.epoch(record, None)


def _fetch_checkpoint(work: _Work, fold: int, one: _Running) -> None:
    """Bring a checkpoint here, so that another machine could go on from it."""
    target = work.plan.checkpoint_path(fold)
    try:
        content = _on(work, one.worker, dask_tasks.give, work.place, target.name)
    except OSError:
        return  # the worker is gone: the checkpoint before it is here
    if content is not None:
        try:
            checkpoint.write_whole(target, content)
        except OSError as error:
            raise checkpoint.no_room(f"the checkpoint of fold {fold + 1}", error) from error


# --- how folds end -------------------------------------------------------------------------------


def _finish(work: _Work, fold: int) -> None:
    """Take what a fold left, or what went wrong with it."""
    from distributed import KilledWorker

    one = work.running[fold]
    try:
        trained: Trained = one.future.result(timeout=60)
    except FoldDied as error:
        return _lost(work, fold, str(error))
    except SpinefracError:
        del work.running[fold]
        raise
    except (KilledWorker, OSError) as error:
        return _lost(work, fold, f"the worker of fold {fold + 1} was lost ({type(error).__name__})")
    except _TASK_GONE:
        return _lost(work, fold, f"the worker of fold {fold + 1} was lost")
    _keep_files(work, trained)
    result = work.plan.read_result(fold)
    if result is None or sha256_of(result.weights) != trained.weights_sha256:
        return _lost(work, fold, f"what fold {fold + 1} left did not arrive whole")
    del work.running[fold]
    checkpoint.remove(work.plan.checkpoint_path(fold))
    work.journal.fold(fold, "done", work.known.get(one.worker, one.worker), f"fold {fold + 1} done")


def _keep_files(work: _Work, trained: Trained) -> None:
    """Write what came from a machine that does not see the run's folder."""
    for name, content in trained.files.items():
        target = (work.plan.folder / name).resolve()
        if not target.is_relative_to(work.plan.folder.resolve()):
            raise TrainingError(f"a worker sent a file outside the run's folder: {name!r}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            checkpoint.write_whole(target, content)
        except OSError as error:
            raise checkpoint.no_room(f"what fold {trained.fold + 1} left", error) from error


def _lost(work: _Work, fold: int, reason: str) -> None:
    """Queue a fold again whose process or worker died, unless that happens all the time."""
    one = work.running.pop(fold)
    work.deaths[fold] += 1
    work.journal.fold(fold, "lost", work.known.get(one.worker, one.worker), reason)
    if work.deaths[fold] >= MOST_DEATHS:
        raise TrainingError(
            f"{reason}. It died {MOST_DEATHS} times without finishing an epoch: free some memory "
            "or train with fewer workers, then resume the run"
        )
    work.waiting.insert(0, fold)


def _stop(work: _Work) -> None:
    """Have all folds stop before their next batch, and wait for them."""
    dask_tasks.stop(work.place)
    if not work.local:
        _quietly(work.client.run, dask_tasks.stop, work.place)
    for one in work.running.values():
        _quietly(one.future.exception, timeout=30)
        _quietly(one.future.cancel)


def _quietly(function: Callable[..., Any], *arguments: Any, **options: Any) -> None:
    """Call what may fail because a cluster is gone, when that no longer matters."""
    with suppress(OSError, TimeoutError, SpinefracError, *_TASK_GONE):
        function(*arguments, **options)


def _require(result: FoldResult | None, fold: int) -> FoldResult:
    if result is None:
        raise TrainingError(
            f"what fold {fold + 1} left is gone from the run's folder; resume the run"
        )
    return result
