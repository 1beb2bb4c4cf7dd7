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
from spinefrac.training import checkpoint
from spinefrac.training.runner import workspace
from spinefrac.training.runs import lease

_LAST_LINES = 5
#: How the lines begin that TensorFlow prints whenever it is loaded; they tell nothing.
_GREETINGS = ("I0000 ", "WARNING: All log messages before absl", "To enable the following")
#: What was sent for runs of so long ago is removed.
_OLD_S = 14 * 24 * 3600.0


class FoldDied(TrainingError):
    """A fold's process ended without a word; it may be tried again from its checkpoint."""


@dataclass(frozen=True)
class Place:
    """Where a plan lies: `folder` on the runner's machine, `digest` of its content."""

    folder: str
    digest: str

    def here(self) -> Path:
        """Return the plan's folder on this machine, whether or not it is filled yet."""
        folder = Path(self.folder)
        return folder if self.shared() else places.runs_dir() / "received" / self.digest[:32]

    def shared(self) -> bool:
        """Whether this machine sees the runner's own folder."""
        return workspace.whole(Path(self.folder)) == self.digest


@dataclass(frozen=True)
class Sight:
    """What a worker has: `epoch` of the fold's checkpoint, 0 for none."""

    shared: bool
    has_plan: bool
    epoch: int
    host: str
    cores: int
    version: str


@dataclass(frozen=True)
class Trained:
    """A fold's end: hash of its weights, and its files' content where the disk is not shared."""

    fold: int
    weights_sha256: str
    files: dict[str, bytes]


def look(place: Place, fold: int) -> Sight:
    """Say what this worker has of a plan and of a fold, before it is given that fold."""
    here = place.here()
    if not place.shared():
        (here / "cancel").unlink(missing_ok=True)  # of an attempt that was stopped
    kept = checkpoint.newest(here / f"fold-{fold}.checkpoint")
    return Sight(
        shared=place.shared(),
        has_plan=workspace.whole(here) == place.digest,
        epoch=(checkpoint.read_epoch(kept) or 0) if kept else 0,
        host=lease.host(),
        cores=os.cpu_count() or 1,
        version=version("spinefrac"),
    )


def take(place: Place, name: str, content: bytes, start: int, last: bool) -> None:
    """Take a piece of a file of the plan; the last piece makes it appear."""
    here = place.here()
    _remove_old(here.parent)
    here.mkdir(parents=True, exist_ok=True)
    beside = here / f"{Path(name).name}.sent.tmp"
    with beside.open("r+b" if start else "wb") as stream:
        stream.seek(start)
        stream.write(content)
    if last:
        beside.replace(here / Path(name).name)


def give(place: Place, name: str) -> bytes | None:
    """Return a file of the plan's folder; None where there is none."""
    try:
        return (place.here() / Path(name).name).read_bytes()
    except FileNotFoundError:
        return None


def check_plan(place: Place) -> bool:
    """Say whether the plan that was sent is what it should be, and mark it as whole."""
    here = place.here()
    if workspace.digest_of(here) != place.digest:
        shutil.rmtree(here, ignore_errors=True)
        return False
    checkpoint.write_whole(here / workspace.DIGEST, place.digest.encode())
    return True


def stop(place: Place) -> None:
    """Have every fold of a plan stop before its next batch."""
    here = place.here()
    if here.is_dir():
        (here / "cancel").touch()


def forget(place: Place) -> None:
    """Remove what was sent."""
    if not place.shared():
        shutil.rmtree(place.here(), ignore_errors=True)


def train(place: Place, fold: int, threads: int, topic: str) -> Trained:
    """Train a fold from where it stands.

    Parameters
    ----------
    place : Place
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
    here, worker = place.here(), get_worker()
    key = str(worker.get_current_task())
    with tempfile.TemporaryFile("w+") as stderr:
        process = _start(here, fold, threads, stderr)
        worker.log_event(topic, {"fold": fold, "key": key, "pid": process.pid})
        try:
            for message in _messages(process):
                if message is None:
                    if not _wanted(worker, key):
                        raise Cancelled(f"nobody waits for fold {fold + 1} any more")
                elif "error" in message:
                    raise _error(message)
                else:
                    worker.log_event(topic, {"fold": fold, "key": key, **message})
            code = process.wait()
            if code != 0:
                raise FoldDied(_died(fold, code, stderr))
        finally:
            process.kill()
            process.wait()
    weights, scores = workspace.Plan.read(here).result_files(fold)
    files = {} if place.shared() else _contents(here, fold, weights, scores)
    return Trained(fold, workspace.sha256_of(weights), files)


def _start(here: Path, fold: int, threads: int, stderr: IO[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "spinefrac.training.runner.worker", here, str(fold), str(threads)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env={**lease.environment(), "OMP_NUM_THREADS": str(threads)},
    )


def _messages(process: subprocess.Popen[str]) -> Any:
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


def _wanted(worker: Any, key: str) -> bool:
    """Whether the scheduler still waits for a task: a runner that died takes its tasks along."""
    state = worker.state.tasks.get(key)
    return state is not None and state.state not in ("cancelled", "released", "forgotten")


def _died(fold: int, code: int, stderr: IO[str]) -> str:
    stderr.seek(0)
    said = [line.strip() for line in stderr if not line.startswith(_GREETINGS)]
    last = " | ".join(said[-_LAST_LINES:])
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return f"the process of fold {fold + 1} {how}; its last words: {last or 'none'}"


def _error(message: dict[str, Any]) -> SpinefracError:
    """Turn a worker's error line back into the error that it was."""
    kind = getattr(errors, message["error"], TrainingError)
    error: SpinefracError = kind(message["message"])
    return error


def _contents(here: Path, fold: int, *files: Path) -> dict[str, bytes]:
    """Return a fold's files by their names below the plan's folder."""
    logs = (here / "tensorboard" / f"fold-{fold}").glob("*")
    return {path.relative_to(here).as_posix(): path.read_bytes() for path in (*files, *logs)}


def _remove_old(received: Path) -> None:
    for folder in received.glob("*") if received.is_dir() else ():
        if time.time() - folder.stat().st_mtime > _OLD_S:
            shutil.rmtree(folder, ignore_errors=True)
