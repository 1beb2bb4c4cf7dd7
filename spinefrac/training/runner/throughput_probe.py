"""Measure a few batches: ``python -m spinefrac.training.runner.throughput_probe SETTINGS`` (JSON).

Where no similar run was trained on this machine yet, this measures the throughput that
`runs.estimate_duration` needs, on noise, as one of the folds that would train in parallel.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from spinefrac.errors import Cancelled
from spinefrac.system import background
from spinefrac.training import networks
from spinefrac.training.runner import worker
from spinefrac.training.runs import database, estimates, throughput
from spinefrac.training.settings import TrainingSettings
from spinefrac.training.workspace import RunWorkspace

#: Batches that are timed, after those in which TensorFlow compiles.
_TIMED_BATCHES, _WARMUP_BATCHES = 16, 2


def main(arguments: list[str]) -> int:
    """Measure the throughput and record it; see the module's docstring."""
    settings = TrainingSettings.from_dict(json.loads(arguments[0]))
    return background.report_progress_of(
        throughput.probe_path(),
        lambda report: _record_throughput(settings),
        "train without an estimate of the duration",
    )


def _record_throughput(settings: TrainingSettings) -> None:
    at_once = estimates.count_parallel_folds(settings)
    threads = max(1, (os.cpu_count() or 1) // at_once)
    started = time.perf_counter()
    worker.limit_threads(threads)
    importing = time.perf_counter() - started
    rate, timed = _measure_throughput(settings)
    compiling = time.perf_counter() - started - importing - timed
    # Every wave of parallel folds compiles, in processes that have imported TensorFlow once;
    # saving takes about as long as a fold's start once more.
    waves = -(-settings.expected_folds // at_once)
    overhead = 2 * importing + (waves + 1) * compiling
    with database.write_transaction() as connection:
        estimates.record_rate(connection, settings, rate, overhead)


def _measure_throughput(settings: TrainingSettings) -> tuple[float, float]:
    """Return the slices per second, and the seconds that were timed."""
    from spinefrac.training.train_fold import FitCallbacks, fit, fit_as_set

    size, count = (
        settings.preprocessing.size,
        settings.batch_size * (_TIMED_BATCHES + _WARMUP_BATCHES + 1),  # the last one is cancelled
    )
    noise = np.random.default_rng(0).integers(0, 256, (count, size, size), np.uint8)
    rows = np.arange(count)
    plan = RunWorkspace(
        folder=Path(),  # nothing is written
        settings=replace(settings, early_stopping=False, epochs=1),
        inputs=noise,
        labels=(rows % 2).astype(np.int64),
        groups=rows.astype(str),
        folds=(rows % settings.expected_folds).astype(np.int64),
    )
    model = networks.build_network(settings.network, size, seed=0, fused_batch_norm=True)
    moments: list[float] = []
    with suppress(Cancelled):
        train = fit_as_set if settings.fits_head_only else fit
        train(
            model,
            plan,
            fold=-1,
            callbacks=FitCallbacks(
                on_batch=lambda *_: moments.append(time.perf_counter()),
                is_cancelled=lambda: len(moments) == _TIMED_BATCHES + _WARMUP_BATCHES,
            ),
        )
    timed = moments[-1] - moments[_WARMUP_BATCHES - 1]
    return settings.batch_size * _TIMED_BATCHES / timed, timed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
