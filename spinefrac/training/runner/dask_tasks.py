"""The functions that run on a Dask worker: report its state, receive files, train a fold, stop.

A fold trains in a process of its own (`spinefrac.training.runner.worker`), because TensorFlow's
number of threads is fixed once a process has used it, because the end of a process frees its
memory, and because a crash then costs that process only. The Dask worker starts it, forwards its
messages, and returns its files.

A worker with access to the run's folder (the same machine, a shared disk) works there. Any other
one receives the workspace once, by its hash, into its own ``HOME/runs/received/<hash>``.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from distributed import get_worker

from spinefrac import errors
from spinefrac import settings as places
from spinefrac.errors import Cancelled, SpinefracError, TrainingError
from spinefrac.system import atomic, memory_shortage, private_files
from spinefrac.training import checkpoint, workspace
from spinefrac.training.runs import lease

_STDERR_TAIL_LINES = 5
#: Beginnings of the lines that TensorFlow prints whenever it is loaded, whatever its log level.
_STARTUP_LOG_PREFIXES = (
    "I0000 ",
    "WARNING: All log messages before absl",
    "To enable the following",
)
#: Received workspaces that are older are removed.
_MAX_AGE_S = 14 * 24 * 3600.0


class FoldCrashError(TrainingError):
    """A fold's process ended without an error message; its checkpoint allows another try."""


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


def remove_workspace(location: WorkspaceLocation) -> None:
    """Remove a received workspace."""
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
    with tempfile.TemporaryFile("w+") as stderr:
        oom_kills = memory_shortage.count_oom_kills()
        process = _start_process(here, fold, threads, stderr)
        worker.log_event(topic, {"fold": fold, "key": key, "pid": process.pid})
        try:
            for message in _read_messages(process):
                if message is None:
                    if not _is_task_active(worker, key):
                        raise Cancelled(f"no runner waits for fold {fold + 1} any more")
                elif "error" in message:
                    raise _parse_error(message)
                else:
                    worker.log_event(topic, {"fold": fold, "key": key, **message})
            code = process.wait()
            if code != 0:
                raise _explain_crash(fold, code, stderr, oom_kills)
        finally:
            process.kill()
            process.wait()
    weights, scores = workspace.RunWorkspace.read(here).result_files(fold)
    files = {} if location.is_shared() else _read_files(here, fold, weights, scores)
    return FoldOutput(fold, workspace.compute_sha256(weights), files)


def _start_process(here: Path, fold: int, threads: int, stderr: IO[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "spinefrac.training.runner.worker", here, str(fold), str(threads)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env={**lease.build_subprocess_env(), "OMP_NUM_THREADS": str(threads)},
    )


def _read_messages(process: subprocess.Popen[str]) -> Any:
    """Yield the messages of the process, and None at least once a second."""
    lines: queue.Queue[str | None] = queue.Queue()

    def forward() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=forward, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=1.0)
        except queue.Empty:
            yield None
            continue
        if line is None:
            return
        # A library may print to standard output; only our own lines are JSON objects.
        if line.startswith("{"):
            yield json.loads(line)


def _is_task_active(worker: Any, key: str) -> bool:
    """Whether the scheduler still waits for a task; those of a dead runner are released."""
    state = worker.state.tasks.get(key)
    return state is not None and state.state not in ("cancelled", "released", "forgotten")


def _explain_crash(fold: int, code: int, stderr: IO[str], oom_kills: int | None) -> TrainingError:
    """Return the error of a process that ended without one; lack of memory is not tried again."""
    reason = _describe_crash(fold, code, stderr)
    is_killed = code == -signal.SIGKILL and memory_shortage.has_killed_since(oom_kills)
    if is_killed or memory_shortage.describes_shortage(reason):
        return TrainingError(f"{reason}. This is a lack of memory: {workspace.MEMORY_REMEDY}")
    return FoldCrashError(reason)


def _describe_crash(fold: int, code: int, stderr: IO[str]) -> str:
    stderr.seek(0)
    lines = [line.strip() for line in stderr if not line.startswith(_STARTUP_LOG_PREFIXES)]
    last = " | ".join(lines[-_STDERR_TAIL_LINES:])
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return f"the process of fold {fold + 1} {how}; its last output: {last or 'none'}"


def _parse_error(message: dict[str, Any]) -> SpinefracError:
    """Return the error that a worker's message describes."""
    kind = getattr(errors, message["error"], TrainingError)
    error: SpinefracError = kind(message["message"])
    return error


def _read_files(here: Path, fold: int, *files: Path) -> dict[str, bytes]:
    """Return a fold's files by their names below the workspace's folder."""
    logs = (here / "tensorboard" / f"fold-{fold}").glob("*")
    return {path.relative_to(here).as_posix(): path.read_bytes() for path in (*files, *logs)}


def _remove_expired(received_dir: Path) -> None:
    for folder in received_dir.glob("*") if received_dir.is_dir() else ():
        if time.time() - folder.stat().st_mtime > _MAX_AGE_S:
            shutil.rmtree(folder, ignore_errors=True)
