"""Runs: speed-up by a second worker, cost of events and checkpoints, delay until a page shows them.

    python -m benchmarks runs

48 phantom patients of 8 slices (seed 7), 4 grouped folds of 5 epochs, defaults otherwise, as real
runs in a temporary home: about 10 minutes on 2 idle cores.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil

from spinefrac.data.phantom import write_phantom
from spinefrac.training import checkpoint, runs
from spinefrac.training.runs import Run
from spinefrac.training.settings import TrainingSettings
from spinefrac.training.workspace import RunWorkspace

PATIENTS, SLICES = 48, 8
FOLDS, EPOCHS = 4, 5
SETTINGS = TrainingSettings(folds=FOLDS, epochs=EPOCHS)
#: How often a page polls.
_POLL_INTERVAL_S = 1.0


def measure() -> list[tuple[str, str, str]]:
    """Measure; return (what, value, target) of each figure."""
    with tempfile.TemporaryDirectory() as folder, _use_temporary_home(Path(folder) / "home"):
        data = Path(folder) / "slices"
        write_phantom(data, patients=PATIENTS, slices=SLICES, seed=7, difficulty="standard")
        runs.summarize_folder(data)
        one = _RunObserver(runs.submit(runs.RunRequest(data, "one", replace(SETTINGS, workers=1))))
        two = _RunObserver(runs.submit(runs.RunRequest(data, "two", replace(SETTINGS, workers=2))))
        return [
            *_report_throughput(one, two),
            *_report_latency(two),
            *_report_overhead(two, Path(folder)),
        ]


def _report_throughput(one: _RunObserver, two: _RunObserver) -> list[tuple[str, str, str]]:
    ratio = two.compute_throughput() / one.compute_throughput()
    return [
        (
            f"{FOLDS} folds on 2 workers against 1 worker, slices per second",
            f"{ratio:.2f} times",
            "at least 1.5 times",
        ),
        ("slices per second, 1 worker with all cores", f"{one.compute_throughput():.0f}", ""),
        ("slices per second, 2 workers", f"{two.compute_throughput():.0f}", ""),
        (
            "the whole run, from submission to saved model, 1 and 2 workers",
            f"{one.get_duration():.0f} s, {two.get_duration():.0f} s",
            "",
        ),
    ]


def _report_latency(run: _RunObserver) -> list[tuple[str, str, str]]:
    looks, delays = run.query_seconds, run.delays
    return [
        (
            "query of a page for a run in training, median and slowest",
            f"{1e3 * statistics.median(looks):.1f} ms ({1e3 * max(looks):.1f} ms)",
            "30 ms",
        ),
        (
            f"end of an epoch to a page that polls every {_POLL_INTERVAL_S:g} s, slowest",
            f"{max(delays) + _POLL_INTERVAL_S:.2f} s (noted after {max(delays):.2f} s)",
            "2 s",
        ),
    ]


def _report_overhead(run: _RunObserver, folder: Path) -> list[tuple[str, str, str]]:
    """Time the checkpoint of one epoch and the work of the runner during it."""
    training = run.training_seconds * min(run.run.settings.workers, FOLDS)  # of all folds
    kept = _time_checkpoint(run.checkpoint, folder) * FOLDS * EPOCHS
    share = (kept + run.runner_cpu) / training
    return [
        (
            "cost of events and checkpoints, of training time",
            f"{100 * share:.2f} %",
            "at most 3 %",
        ),
        (
            f"of that: a checkpoint of {run.checkpoint_bytes / 2**20:.1f} MB, and the runner",
            f"{100 * kept / training:.2f} %, {100 * run.runner_cpu / training:.2f} %",
            "",
        ),
    ]


def _time_checkpoint(kept: checkpoint.Checkpoint, folder: Path) -> float:
    path, times = folder / "bench.checkpoint", []
    for _ in range(10):
        start = time.perf_counter()
        checkpoint.write(path, kept)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


class _RunObserver:
    """Watch a run as a page does, only more often, until it ends.

    A fold's checkpoint is written when its epoch ends; the delay is from there to the first query
    that shows the epoch.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.query_seconds: list[float] = []
        self.delays: list[float] = []
        self.runner_cpu = self.training_seconds = 0.0
        self.checkpoint_bytes = 0
        seen = [0] * FOLDS
        ended: dict[tuple[int, int], float] = {}
        plan = RunWorkspace(runs.run_folder(run.id), run.settings, *[None] * 4)  # type: ignore[list-item]
        begun: tuple[float, float] | None = None
        while runs.get_run(run.id).is_open:
            runs.ensure_runner()
            for fold in range(FOLDS):
                self._record_checkpoint(plan.checkpoint_path(fold), fold, ended)
            start = time.perf_counter()
            progress = runs.get_progress(run.id)
            self.query_seconds.append(time.perf_counter() - start)
            now = time.time()
            for fold in progress.folds:
                if fold.epoch > seen[fold.fold] and (fold.fold, fold.epoch) in ended:
                    self.delays.append(max(0.0, now - ended[fold.fold, fold.epoch]))
                seen[fold.fold] = fold.epoch
            if progress.runner and progress.run.stage == "training":
                used = _get_cpu_seconds(progress.runner.pid)
                begun = begun or (used, now)
                self.runner_cpu = max(self.runner_cpu, used - begun[0])
                self.training_seconds = now - begun[1]
            time.sleep(0.02)
        assert runs.get_run(run.id).state == "done", runs.get_run(run.id).error

    def _record_checkpoint(
        self, path: Path, fold: int, ended: dict[tuple[int, int], float]
    ) -> None:
        try:
            written, size = path.stat().st_mtime, path.stat().st_size
        except FileNotFoundError:
            return
        if written in ended.values():
            return
        kept = checkpoint.read(path)
        if kept is not None:
            ended[fold, kept.epoch] = written
            self.checkpoint, self.checkpoint_bytes = kept, size

    def compute_throughput(self) -> float:
        """Of all folds together, without each one's first epoch, in which TensorFlow compiles."""
        events = runs.list_events(self.run.id, kinds=["epoch"])
        rates = [event.batch_rate for event in events if event.epoch != 1 and event.batch_rate]
        return statistics.mean(rates) * min(self.run.settings.workers, FOLDS)

    def get_duration(self) -> float:
        return float(runs.get_run(self.run.id).seconds or 0)


def _get_cpu_seconds(pid: int) -> float:
    """Return the processor seconds of a runner without its folds' processes."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


@contextmanager
def _use_temporary_home(folder: Path):  # type: ignore[no-untyped-def]
    before = os.environ.get("SPINEFRAC_HOME")
    os.environ["SPINEFRAC_HOME"] = str(folder)
    try:
        yield
    finally:
        while runs.get_runner_state() is not None:
            time.sleep(0.1)
        if before is None:
            del os.environ["SPINEFRAC_HOME"]
        else:
            os.environ["SPINEFRAC_HOME"] = before
