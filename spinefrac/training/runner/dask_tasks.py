"""What a Dask worker does for a run: look what it has, take files, train a fold, stop.

A fold trains in a process of its own (`spinefrac.training.runner.worker`), because TensorFlow's number
of threads is fixed once a process has used it, because its memory is given back that way, and
because a crash in it then costs that process only. The Dask worker starts it, passes on what it
says, and hands back what it leaves.

A worker that sees the run's folder (the same machine, a shared disk) works there. Any other has
the plan sent once, by its hash, into ``HOME/runs/received/<hash>`` of its own.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
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
from spinefrac.system import atomic
from spinefrac.training import checkpoint, workspace
from spinefrac.training.runs import lease

_STDERR_TAIL_LINES = 5
#: How the lines begin that TensorFlow prints whenever it is loaded; they tell nothing.
_STARTUP_LOG_PREFIXES = (
    "I0000 ",
    "WARNING: All log messages before absl",
    "To enable the following",
)
#: What was sent for runs of so long ago is removed.
_MAX_AGE_S = 14 * 24 * 3600.0


class FoldCrashError(TrainingError):
    """A fold's process ended without a word; it may be tried again from its checkpoint."""


@dataclass(frozen=True)
class WorkspaceLocation:
    """Where a plan lies: `folder` on the runner's machine, `digest` of its content."""

    folder: str
    digest: str

    def local_dir(self) -> Path:
        """Return the plan's folder on this machine, whether or not it is filled yet."""
        folder = Path(self.folder)
        return folder if self.is_shared() else places.runs_dir() / "received" / self.digest[:32]

    def is_shared(self) -> bool:
        """Whether this machine sees the runner's own folder."""
        return workspace.read_digest(Path(self.folder)) == self.digest


@dataclass(frozen=True)
class WorkerStatus:
    """What a worker has: `checkpoint_epoch` of the fold's checkpoint, 0 for none."""

    is_shared: bool
    has_workspace: bool
    checkpoint_epoch: int
    host: str
    cores: int
    version: str


@dataclass(frozen=True)
class FoldOutput:
    """A fold's end: hash of its weights, and its files' content where the disk is not shared."""

    fold: int
    weights_sha256: str
    files: dict[str, bytes]


def inspect_worker(location: WorkspaceLocation, fold: int) -> WorkerStatus:
    """Say what this worker has of a plan and of a fold, before it is given that fold."""
    here = location.local_dir()
    if not location.is_shared():
        (here / "cancel").unlink(missing_ok=True)  # of an attempt that was stopped
    kept = checkpoint.find_latest(here / f"fold-{fold}.checkpoint")
    return WorkerStatus(
        is_shared=location.is_shared(),
        has_workspace=workspace.read_digest(here) == location.digest,
        checkpoint_epoch=(checkpoint.read_epoch(kept) or 0) if kept else 0,
        host=lease.get_hostname(),
        cores=os.cpu_count() or 1,
        version=version("spinefrac"),
    )


def receive_chunk(
    location: WorkspaceLocation, name: str, content: bytes, offset: int, is_last: bool
) -> None:
    """Take a piece of a file of the plan; the last piece makes it appear."""
    here = location.local_dir()
    _remove_expired(here.parent)
    here.mkdir(parents=True, exist_ok=True)
    beside = here / f"{Path(name).name}.sent.tmp"
    with beside.open("r+b" if offset else "wb") as stream:
        stream.seek(offset)
        stream.write(content)
    if is_last:
        beside.replace(here / Path(name).name)


def read_file(location: WorkspaceLocation, name: str) -> bytes | None:
    """Return a file of the plan's folder; None where there is none."""
    try:
        return (location.local_dir() / Path(name).name).read_bytes()
    except FileNotFoundError:
        return None


def verify_workspace(location: WorkspaceLocation) -> bool:
    """Say whether the plan that was sent is what it should be, and mark it as whole."""
    here = location.local_dir()
    if workspace.compute_digest(here) != location.digest:
        shutil.rmtree(here, ignore_errors=True)
        return False
    atomic.write_bytes(here / workspace.DIGEST_FILE, location.digest.encode())
    return True


def request_stop(location: WorkspaceLocation) -> None:
    """Have every fold of a plan stop before its next batch."""
    here = location.local_dir()
    if here.is_dir():
        (here / "cancel").touch()


def remove_workspace(location: WorkspaceLocation) -> None:
    """Remove what was sent."""
    if not location.is_shared():
        shutil.rmtree(location.local_dir(), ignore_errors=True)


def train_fold_in_process(
    location: WorkspaceLocation, fold: int, threads: int, topic: str
) -> FoldOutput:
    """Train a fold from where it stands.

    Parameters
    ----------
    location : Place
    fold : int
    threads : int
    topic : str
        Of Dask's events, where what the fold says appears.

    Raises
    ------
    FoldDied
        Its process ended without saying why.
    SpinefracError
        As the fold said.
    """
    here, worker = location.local_dir(), get_worker()
    key = str(worker.get_current_task())
    with tempfile.TemporaryFile("w+") as stderr:
        process = _start_process(here, fold, threads, stderr)
        worker.log_event(topic, {"fold": fold, "key": key, "pid": process.pid})
        try:
            for message in _read_messages(process):
                if message is None:
                    if not _is_task_active(worker, key):
                        raise Cancelled(f"nobody waits for fold {fold + 1} any more")
                elif "error" in message:
                    raise _parse_error(message)
                else:
                    worker.log_event(topic, {"fold": fold, "key": key, **message})
            code = process.wait()
            if code != 0:
                raise FoldCrashError(_describe_crash(fold, code, stderr))
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
    """Yield what the process says, and None at least once a second."""
    said: queue.Queue[str | None] = queue.Queue()

    def forward() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.put(line)
        said.put(None)

    threading.Thread(target=forward, daemon=True).start()
    while True:
        try:
            line = said.get(timeout=1.0)
        except queue.Empty:
            yield None
            continue
        if line is None:
            return
        # A library may print to standard output; only our own lines are objects.
        if line.startswith("{"):
            yield json.loads(line)


def _is_task_active(worker: Any, key: str) -> bool:
    """Whether the scheduler still waits for a task: a runner that died takes its tasks along."""
    state = worker.state.tasks.get(key)
    return state is not None and state.state not in ("cancelled", "released", "forgotten")


def _describe_crash(fold: int, code: int, stderr: IO[str]) -> str:
    stderr.seek(0)
    said = [line.strip() for line in stderr if not line.startswith(_STARTUP_LOG_PREFIXES)]
    last = " | ".join(said[-_STDERR_TAIL_LINES:])
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return f"the process of fold {fold + 1} {how}; its last words: {last or 'none'}"


def _parse_error(message: dict[str, Any]) -> SpinefracError:
    """Turn a worker's error line back into the error that it was."""
    kind = getattr(errors, message["error"], TrainingError)
    error: SpinefracError = kind(message["message"])
    return error


def _read_files(here: Path, fold: int, *files: Path) -> dict[str, bytes]:
    """Return a fold's files by their names below the plan's folder."""
    logs = (here / "tensorboard" / f"fold-{fold}").glob("*")
    return {path.relative_to(here).as_posix(): path.read_bytes() for path in (*files, *logs)}


def _remove_expired(received_dir: Path) -> None:
    for folder in received_dir.glob("*") if received_dir.is_dir() else ():
        if time.time() - folder.stat().st_mtime > _MAX_AGE_S:
            shutil.rmtree(folder, ignore_errors=True)
