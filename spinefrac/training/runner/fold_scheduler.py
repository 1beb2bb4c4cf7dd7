"""Train the folds of a run as tasks of a Dask client.

Each fold is assigned to a free worker, after that worker has received the files that it lacks. A
fold whose process or worker dies is resumed from its last checkpoint; one that crashes repeatedly
without finishing another epoch fails the run.
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
from spinefrac.system import atomic
from spinefrac.training import checkpoint
from spinefrac.training.runner import dask_tasks
from spinefrac.training.runner.dask_tasks import FoldOutput, WorkerStatus, WorkspaceLocation
from spinefrac.training.runner.fold_processes import FoldCrashError
from spinefrac.training.workspace import (
    DATA_FILES,
    RunWorkspace,
    compute_sha256,
    read_digest,
)

if TYPE_CHECKING:
    from distributed import Client, Future

#: A fold may crash this often in a row without having finished an epoch in between.
MAX_FOLD_CRASHES = 3
#: How long to wait for a cluster that has no worker.
_WORKER_TIMEOUT_S = 300.0
_POLL_INTERVAL_S = 0.2
_WORKER_CHECK_INTERVAL_S = 1.0
_CHUNK_BYTES = 16 * 2**20
#: Raised by Dask for a task whose worker or scheduler has disappeared.
_LOST_TASK_ERRORS = (asyncio.CancelledError, concurrent.futures.CancelledError)


class JournalProtocol(Protocol):
    """The record of a run while folds train; see `spinefrac.training.runner.journal`."""

    def log(self, message: str) -> None: ...
    def record_fold(self, fold: int, state: str, worker: str, message: str) -> None: ...
    def record_batch(
        self, fold: int, worker: str, position: tuple[int, int, int], rate: float
    ) -> None: ...
    def record_epoch(self, record: EpochRecord, rate: float | None) -> None: ...
    def record_workers(self, states: dict[str, tuple[str, int | None]]) -> None: ...
    def flush(self) -> None: ...


@dataclass
class _RunningFold:
    """A fold in training: its worker, and the key of its task there."""

    future: Future
    worker: str
    key: str
    is_shared: bool


@dataclass
class _SchedulerState:
    """Pending and running folds of a workspace, and the workers that train them."""

    workspace: RunWorkspace
    client: Client
    journal: JournalProtocol
    location: WorkspaceLocation
    is_local: bool
    pending: list[int]
    running: dict[int, _RunningFold] = field(default_factory=dict)
    crash_counts: Counter[int] = field(default_factory=Counter)
    messages: queue.SimpleQueue[dict[str, Any]] = field(default_factory=queue.SimpleQueue)
    task_numbers: itertools.count[int] = field(default_factory=itertools.count)
    rejected_workers: set[str] = field(default_factory=set)
    worker_last_seen: float = field(default_factory=time.monotonic)
    no_worker_logged: bool = False
    worker_names: dict[str, str] = field(default_factory=dict)


def train_folds(
    workspace: RunWorkspace,
    client: Client,
    journal: JournalProtocol,
    is_cancelled: Callable[[], bool],
    *,
    is_local: bool,
) -> list[FoldResult]:
    """Train every fold of a workspace that is not trained yet.

    Parameters
    ----------
    workspace : RunWorkspace
        Already written.
    client : distributed.Client
    journal : JournalProtocol
        Called in this thread.
    is_cancelled : callable
        Called several times a second.
    is_local : bool
        Whether the client's workers are this machine's.

    Returns
    -------
    list of FoldResult
        In the order of the folds.

    Raises
    ------
    TrainingError
        A fold failed, or crashed too often; the others are stopped.
    Cancelled
        `is_cancelled` returned True.
    """
    state = _make_state(workspace, client, journal, is_local)
    topic = f"spinefrac-{state.location.digest[:16]}-{os.getpid()}-{time.time_ns()}"
    client.subscribe_topic(topic, lambda event: state.messages.put(event[1]))
    try:
        _schedule_folds(state, topic, is_cancelled)
    except BaseException:
        _stop_folds(state)
        raise
    finally:
        client.unsubscribe_topic(topic)
        if is_local:
            dask_tasks.leave_workspace(state.location)
        else:
            _call_ignoring_errors(client.run, dask_tasks.leave_workspace, state.location)
    folds = range(workspace.n_folds)
    return [_require_result(workspace.read_result(fold), fold) for fold in folds]


def _make_state(
    workspace: RunWorkspace, client: Client, journal: JournalProtocol, is_local: bool
) -> _SchedulerState:
    """Return the state at the start: folds of earlier attempts are done, the others pending."""
    pending = []
    for fold in range(workspace.n_folds):
        if (done := workspace.read_result(fold)) is None:
            pending.append(fold)
        else:
            _replay_history(journal, done.history)
            journal.record_fold(fold, "done", "", "")  # after its epochs, which record "training"
    digest = read_digest(workspace.folder)
    assert digest is not None, "the workspace is written before it is trained"
    location = WorkspaceLocation(str(workspace.folder), digest)
    return _SchedulerState(workspace, client, journal, location, is_local, pending)


def _schedule_folds(state: _SchedulerState, topic: str, is_cancelled: Callable[[], bool]) -> None:
    """Assign folds to workers and receive their messages until all are trained."""
    looked = 0.0
    while state.pending or state.running:
        if is_cancelled():
            raise Cancelled("training was cancelled")
        if time.monotonic() - looked > _WORKER_CHECK_INTERVAL_S:
            looked = time.monotonic()
            _update_workers(state, topic)
        _receive_messages(state)
        for fold in [fold for fold, one in state.running.items() if one.future.done()]:
            _finish_fold(state, fold)
            looked = 0.0
        state.journal.flush()


# --- workers ------------------------------------------------------------------------------------


def _update_workers(state: _SchedulerState, topic: str) -> None:
    """Record the workers, requeue folds of lost workers, and assign folds to free ones."""
    client = state.client
    try:
        # Not `scheduler_info`: it hands out a cache that its own clock empties meanwhile.
        present = client.sync(client.scheduler.identity, n_workers=-1)["workers"]
    except (OSError, ValueError, AttributeError) as error:  # AttributeError: closed
        raise TrainingError(
            f"the scheduler of the cluster no longer responds ({error}): start it again, then "
            "resume the run"
        ) from error
    names = {address: _get_worker_name(state, address, entry) for address, entry in present.items()}
    state.worker_names |= names
    for fold, one in list(state.running.items()):
        if one.worker not in present:
            one.future.cancel()
            _requeue_fold(state, fold, f"the worker of fold {fold + 1} was lost")
    busy = {one.worker: fold for fold, one in state.running.items()}
    hosts = Counter(entry["host"] for entry in present.values())
    for address in present:
        if state.pending and address not in busy and address not in state.rejected_workers:
            fold = state.pending[0]
            if _assign_fold(state, fold, address, hosts[present[address]["host"]], topic):
                state.pending.remove(fold)
                busy[address] = fold
    gone = {name: ("lost", None) for a, name in state.worker_names.items() if a not in present}
    state.journal.record_workers(
        gone
        | {
            name: ("training" if a in busy else "idle", busy.get(a))
            for a, name in names.items()
            if a not in state.rejected_workers
        }
    )
    _require_workers(state, bool(present.keys() - state.rejected_workers))


def _get_worker_name(state: _SchedulerState, address: str, entry: dict[str, Any]) -> str:
    """Return the name of a worker for people."""
    if state.is_local:
        return f"worker {int(entry['name']) + 1}"
    name = str(entry.get("name") or address)
    return address.split("://")[-1] if "://" in name else name


def _require_workers(state: _SchedulerState, has_worker: bool) -> None:
    """Wait for a worker for a while, and log that."""
    now = time.monotonic()
    if has_worker:
        state.worker_last_seen, state.no_worker_logged = now, False
    elif now - state.worker_last_seen > _WORKER_TIMEOUT_S:
        raise TrainingError(
            f"the cluster has had no usable worker for {_WORKER_TIMEOUT_S:.0f} s: start workers as "
            "docs/cluster.md says, then resume the run"
        )
    elif not state.no_worker_logged:
        state.no_worker_logged = True
        state.journal.log("the cluster has no worker; waiting for one")


def _assign_fold(
    state: _SchedulerState, fold: int, address: str, workers_on_host: int, topic: str
) -> bool:
    """Send a worker the files that it lacks, and assign it a fold; False where that fails."""
    try:
        sight: WorkerStatus = _run_on_worker(
            state, address, dask_tasks.inspect_worker, state.location, fold
        )
    except (ImportError, AttributeError) as error:
        state.rejected_workers.add(address)
        state.journal.log(f"the worker {address} has no compatible spinefrac ({error}); not used")
        return False
    except OSError:  # it was lost just now
        return False
    if sight.version != version("spinefrac"):
        state.rejected_workers.add(address)
        state.journal.log(
            f"the worker on {sight.host} has spinefrac {sight.version}, not "
            f"{version('spinefrac')}; not used"
        )
        return False
    try:
        if not sight.is_shared:
            _send_workspace(state, address, fold, sight)
    except OSError:
        return False
    threads = (
        _count_threads(state.workspace.settings, fold)
        if state.is_local
        else max(1, sight.cores // workers_on_host)  # its workers share its cores
    )
    key = f"{topic}-fold-{fold}-{next(state.task_numbers)}"
    future = state.client.submit(
        dask_tasks.train_fold_in_process,
        state.location,
        fold,
        threads,
        topic,
        key=key,
        workers=[address],
        pure=False,
    )
    state.running[fold] = _RunningFold(future, address, key, sight.is_shared)
    name = state.worker_names.get(address, address)
    state.journal.record_fold(fold, "training", name, f"fold {fold + 1} starts")
    return True


def _count_threads(settings: Any, fold: int) -> int:
    """Return a fold's share of the cores: the last folds also take those that are idle.

    It depends on the fold's number only, so that a run is reproducible.
    """
    cores = os.cpu_count() or 1
    n_folds = settings.expected_folds
    workers = min(settings.workers or cores, n_folds)
    return max(1, cores // min(workers, n_folds - fold))


def _send_workspace(state: _SchedulerState, address: str, fold: int, status: WorkerStatus) -> None:
    """Send a worker the workspace and the fold's newest checkpoint where it lacks them."""
    if not status.has_workspace:
        state.journal.log(f"sending the slices to {status.host}")
        for part in DATA_FILES:
            _send_file(state, address, state.workspace.folder / part, part)
        if not _run_on_worker(state, address, dask_tasks.verify_workspace, state.location):
            raise OSError("the workspace arrived damaged")
    newest = checkpoint.find_latest(state.workspace.checkpoint_path(fold))
    if newest and (checkpoint.read_epoch(newest) or 0) > status.checkpoint_epoch:
        _send_file(state, address, newest, state.workspace.checkpoint_path(fold).name)


def _send_file(state: _SchedulerState, address: str, path: Path, name: str) -> None:
    size = path.stat().st_size
    with path.open("rb") as stream:
        while piece := stream.read(_CHUNK_BYTES):
            start, end = stream.tell() - len(piece), stream.tell()
            _run_on_worker(
                state,
                address,
                dask_tasks.receive_chunk,
                state.location,
                name,
                piece,
                start,
                end == size,
            )


def _run_on_worker(
    state: _SchedulerState, address: str, function: Callable[..., Any], *arguments: Any
) -> Any:
    """Call a function on one worker, in parallel to its task."""
    answer = state.client.run(function, *arguments, workers=[address])
    if address not in answer:
        raise OSError(f"the worker {address} was lost")
    return answer[address]


# --- messages of folds --------------------------------------------------------------------------


def _receive_messages(state: _SchedulerState) -> None:
    """Handle the messages of the folds that arrive within the poll interval."""
    deadline = time.monotonic() + _POLL_INTERVAL_S
    while True:
        try:
            message = state.messages.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return
        one = state.running.get(message["fold"])
        if one is not None and one.key == message["key"]:
            _handle_message(state, message["fold"], one, message)


def _handle_message(
    state: _SchedulerState, fold: int, running_fold: _RunningFold, message: dict[str, Any]
) -> None:
    if "resumed" in message:
        history = tuple(EpochRecord(**record) for record in message["resumed"])
        _replay_history(state.journal, history)
        if history:
            state.journal.log(
                f"fold {fold + 1} resumed from checkpoint, after epoch {history[-1].epoch}"
            )
    elif "batch" in message:
        epoch, batch, batches = message["batch"]
        name = state.worker_names.get(running_fold.worker, running_fold.worker)
        state.journal.record_batch(fold, name, (epoch, batch, batches), message["rate"])
    elif "epoch" in message:
        state.crash_counts[fold] = 0
        state.journal.record_epoch(EpochRecord(**message["epoch"]), message["rate"])
        if not running_fold.is_shared:
            _fetch_checkpoint(state, fold, running_fold)


def _replay_history(journal: JournalProtocol, history: tuple[EpochRecord, ...]) -> None:
    """Record epochs that were trained but whose message was lost with a runner or a connection."""
    for record in history:
        journal.record_epoch(record, None)


def _fetch_checkpoint(state: _SchedulerState, fold: int, running_fold: _RunningFold) -> None:
    """Copy a checkpoint to this machine, so that another worker could resume from it."""
    target = state.workspace.checkpoint_path(fold)
    try:
        content = _run_on_worker(
            state, running_fold.worker, dask_tasks.read_file, state.location, target.name
        )
    except OSError:
        return  # the worker was lost: the checkpoint before it is here
    if content is not None:
        try:
            atomic.write_bytes(target, content)
        except OSError as error:
            raise checkpoint.wrap_write_error(
                f"the checkpoint of fold {fold + 1}", error
            ) from error


# --- end of folds -------------------------------------------------------------------------------


def _finish_fold(state: _SchedulerState, fold: int) -> None:
    """Save the result of a fold, requeue it, or raise its error."""
    from distributed import KilledWorker

    one = state.running[fold]
    try:
        trained: FoldOutput = one.future.result(timeout=60)
    except FoldCrashError as error:
        return _requeue_fold(state, fold, str(error))
    except SpinefracError:
        del state.running[fold]
        raise
    except (KilledWorker, OSError) as error:
        return _requeue_fold(
            state, fold, f"the worker of fold {fold + 1} was lost ({type(error).__name__})"
        )
    except _LOST_TASK_ERRORS:
        return _requeue_fold(state, fold, f"the worker of fold {fold + 1} was lost")
    _save_files(state, trained)
    result = state.workspace.read_result(fold)
    if result is None or compute_sha256(result.weights) != trained.weights_sha256:
        return _requeue_fold(state, fold, f"the files of fold {fold + 1} did not arrive undamaged")
    del state.running[fold]
    checkpoint.remove(state.workspace.checkpoint_path(fold))
    _replay_history(state.journal, result.history)  # its last message may arrive with its end
    state.journal.record_fold(
        fold, "done", state.worker_names.get(one.worker, one.worker), f"fold {fold + 1} done"
    )


def _save_files(state: _SchedulerState, output: FoldOutput) -> None:
    """Write the files of a worker that has no access to the run's folder."""
    for name, content in output.files.items():
        target = (state.workspace.folder / name).resolve()
        if not target.is_relative_to(state.workspace.folder.resolve()):
            raise TrainingError(f"a worker sent a file outside the run's folder: {name!r}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_bytes(target, content)
        except OSError as error:
            raise checkpoint.wrap_write_error(
                f"the files of fold {output.fold + 1}", error
            ) from error


def _requeue_fold(state: _SchedulerState, fold: int, reason: str) -> None:
    """Queue a crashed fold again; TrainingError where it crashes all the time."""
    one = state.running.pop(fold)
    state.crash_counts[fold] += 1
    state.journal.record_fold(fold, "lost", state.worker_names.get(one.worker, one.worker), reason)
    if state.crash_counts[fold] >= MAX_FOLD_CRASHES:
        raise TrainingError(
            f"{reason}. It crashed {MAX_FOLD_CRASHES} times without finishing an epoch: free some "
            "memory or train with fewer workers, then resume the run"
        )
    state.pending.insert(0, fold)


def _stop_folds(state: _SchedulerState) -> None:
    """Stop all folds before their next batch, and wait for them."""
    dask_tasks.request_stop(state.location)
    if not state.is_local:
        _call_ignoring_errors(state.client.run, dask_tasks.request_stop, state.location)
    for one in state.running.values():
        _call_ignoring_errors(one.future.exception, timeout=30)
        _call_ignoring_errors(one.future.cancel)


def _call_ignoring_errors(function: Callable[..., Any], *arguments: Any, **options: Any) -> None:
    """Call a function whose failure no longer matters, such as on a lost cluster."""
    with suppress(OSError, TimeoutError, SpinefracError, *_LOST_TASK_ERRORS):
        function(*arguments, **options)


def _require_result(result: FoldResult | None, fold: int) -> FoldResult:
    if result is None:
        raise TrainingError(
            f"the files of fold {fold + 1} are missing from the run's folder; resume the run"
        )
    return result
