"""The functions that run on a Dask worker: report its state, receive files, train a fold, stop.

A fold trains in another process (`spinefrac.training.runner.fold_processes`). The Dask worker
starts it, forwards its messages, and returns its files.

A worker with access to the run's folder (the same machine, a shared disk) works there. Any other
one receives the workspace once, by its hash, into its own ``HOME/runs/received/<hash>``.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from distributed import get_worker

from spinefrac import settings as places
from spinefrac.errors import Cancelled
from spinefrac.system import atomic, private_files
from spinefrac.training import checkpoint, workspace
from spinefrac.training.runner import fold_processes
from spinefrac.training.runs import lease

#: Received workspaces that are older are removed.
_MAX_AGE_S = 14 * 24 * 3600.0


@dataclass(frozen=True)
class WorkspaceLocation:
    """Where a workspace is: `folder` on the runner's machine, `digest` of its content."""

    folder: str
    digest: str

    def local_dir(self) -> Path:
        """Return the workspace's folder on this machine, whether or not it exists yet."""
        folder = Path(self.folder)
        return folder if self.is_shared() else places.runs_dir() / "received" / self.digest[:32]

    def is_shared(self) -> bool:
        """Whether this machine has access to the runner's own folder."""
        return workspace.read_digest(Path(self.folder)) == self.digest


@dataclass(frozen=True)
class WorkerStatus:
    """The state of a worker: `checkpoint_epoch` is that of the fold's checkpoint, 0 for none."""

    is_shared: bool
    has_workspace: bool
    checkpoint_epoch: int
    host: str
    cores: int
    version: str


@dataclass(frozen=True)
class FoldOutput:
    """Hash of a fold's weights, and its files' content where the disk is not shared."""

    fold: int
    weights_sha256: str
    files: dict[str, bytes]


def inspect_worker(location: WorkspaceLocation, fold: int) -> WorkerStatus:
    """Return what this worker has of a workspace and of a fold, before it gets that fold."""
    here = location.local_dir()
    if not location.is_shared():
        (here / "cancel").unlink(missing_ok=True)  # of a cancelled attempt
    newest = checkpoint.find_latest(here / f"fold-{fold}.checkpoint")
    return WorkerStatus(
        is_shared=location.is_shared(),
        has_workspace=workspace.read_digest(here) == location.digest,
        checkpoint_epoch=(checkpoint.read_epoch(newest) or 0) if newest else 0,
        host=lease.get_hostname(),
        cores=os.cpu_count() or 1,
        version=version("spinefrac"),
    )


def receive_chunk(
    location: WorkspaceLocation, name: str, content: bytes, offset: int, is_last: bool
) -> None:
    """Receive a chunk of a file of the workspace; the last one makes the file appear."""
    here = location.local_dir()
    _remove_expired(here.parent)
    private_files.make_folder(here)
    beside = here / f"{Path(name).name}.sent.tmp"
    with beside.open("r+b" if offset else "wb") as stream:
        stream.seek(offset)
        stream.write(content)
    if is_last:
        beside.replace(here / Path(name).name)


def read_file(location: WorkspaceLocation, name: str) -> bytes | None:
    """Return a file of the workspace's folder; None where there is none."""
    try:
        return (location.local_dir() / Path(name).name).read_bytes()
    except FileNotFoundError:
        return None


def verify_workspace(location: WorkspaceLocation) -> bool:
    """Return whether the received workspace has the right hash, and mark it as complete."""
    here = location.local_dir()
    if workspace.compute_digest(here) != location.digest:
        shutil.rmtree(here, ignore_errors=True)
        return False
    atomic.write_bytes(here / workspace.DIGEST_FILE, location.digest.encode())
    return True


def request_stop(location: WorkspaceLocation) -> None:
    """Stop every fold of a workspace before its next batch."""
    here = location.local_dir()
    if here.is_dir():
        (here / "cancel").touch()


def leave_workspace(location: WorkspaceLocation) -> None:
    """End the processes that wait for another fold of a workspace; remove one that was received."""
    fold_processes.end_processes(location.local_dir())
    if not location.is_shared():
        shutil.rmtree(location.local_dir(), ignore_errors=True)


def train_fold_in_process(
    location: WorkspaceLocation, fold: int, threads: int, topic: str
) -> FoldOutput:
    """Train a fold, from its checkpoint where there is one.

    Parameters
    ----------
    location : WorkspaceLocation
    fold : int
    threads : int
    topic : str
        Of the Dask events that carry the messages of the fold.

    Raises
    ------
    FoldCrashError
        Its process ended without an error message.
    SpinefracError
        The error of the fold; a TrainingError where it ran out of memory.
    """
    here, worker = location.local_dir(), get_worker()
    key = str(worker.get_current_task())
    with fold_processes.use_process(here, threads) as process:
        for message in process.train(fold):
            if message is not None:
                worker.log_event(topic, {"fold": fold, "key": key, **message})
            elif not _is_task_active(worker, key):
                raise Cancelled(f"no runner waits for fold {fold + 1} any more")
    weights, scores = workspace.RunWorkspace.read(here).result_files(fold)
    files = {} if location.is_shared() else _read_files(here, fold, weights, scores)
    return FoldOutput(fold, workspace.compute_sha256(weights), files)


def _is_task_active(worker: Any, key: str) -> bool:
    """Whether the scheduler still waits for a task; those of a dead runner are released."""
    state = worker.state.tasks.get(key)
    return state is not None and state.state not in ("cancelled", "released", "forgotten")


def _read_files(here: Path, fold: int, *files: Path) -> dict[str, bytes]:
    """Return a fold's files by their names below the workspace's folder."""
    logs = (here / "tensorboard" / f"fold-{fold}").glob("*")
    return {path.relative_to(here).as_posix(): path.read_bytes() for path in (*files, *logs)}


def _remove_expired(received_dir: Path) -> None:
    for folder in received_dir.glob("*") if received_dir.is_dir() else ():
        if time.time() - folder.stat().st_mtime > _MAX_AGE_S:
            shutil.rmtree(folder, ignore_errors=True)
