"""Estimates of the training time on this machine, from measurements on this machine.

For each run and throughput probe the database holds the slices per second of one fold, the number
of folds trained in parallel, and the overhead of a run in seconds: reading, starting, compiling,
saving.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import time

from spinefrac.training.runs import database, lease
from spinefrac.training.runs.records import DurationEstimate
from spinefrac.training.settings import TrainingSettings

#: Number of the newest rates that an estimate uses.
_MAX_RATES = 20
#: Times of equal runs vary by about this share in either direction.
_RELATIVE_UNCERTAINTY = 0.25


def estimate_duration(images: int, settings: TrainingSettings) -> DurationEstimate | None:
    """Return how long training will take on this machine, from the rates of earlier runs.

    Parameters
    ----------
    images : int
        Of the data set.
    settings : TrainingSettings

    Returns
    -------
    DurationEstimate or None
        None where no similar run was trained here yet; `start_throughput_probe` measures.
    """
    if not database.database_path().exists():
        return None
    size = settings.preprocessing.size
    with database.read_transaction() as connection:
        rows = connection.execute(
            "SELECT * FROM rates WHERE host = ? AND network = ? AND batch_size = ?"
            " ORDER BY size = ? DESC, time DESC LIMIT ?",
            (lease.get_hostname(), settings.network, settings.batch_size, size, _MAX_RATES),
        ).fetchall()
    alike = [row for row in rows if row["size"] == rows[0]["size"]]
    if not alike:
        return None
    # Slices per second of all folds together; the time of a slice grows with its area.
    together = statistics.median(
        row["images_per_second"] * row["folds_at_once"] * (row["size"] / size) ** 2 for row in alike
    )
    apart = [row["overhead"] for row in alike if row["overhead"] is not None]
    seconds = count_training_slices(images, settings) / together + (
        statistics.median(apart) if apart else 0.0
    )
    return DurationEstimate(
        seconds=seconds,
        low=seconds * (1 - _RELATIVE_UNCERTAINTY),
        high=seconds * (1 + _RELATIVE_UNCERTAINTY),
        basis=f"{together:.0f} images a second, measured here"
        + ("" if alike[0]["size"] == size else f" at {alike[0]['size']} pixels"),
    )


def count_training_slices(images: int, settings: TrainingSettings) -> int:
    """Return how many slices go through a network, over all folds and epochs of a run."""
    if settings.fits_head_only:
        return images * settings.epochs  # all folds share the features, and fits take little
    n_folds = settings.expected_folds
    count = images * (n_folds - 1) * settings.epochs  # each fold trains on the others
    if settings.network == "compact" and settings.initial_weights == "none":  # pretraining
        count += min(settings.line_steps * settings.batch_size * n_folds, count)
    return count


def count_parallel_folds(settings: TrainingSettings) -> int:
    """Return how many folds this machine trains at the same time."""
    return min(settings.workers or os.cpu_count() or 1, settings.expected_folds)


def record_rate(
    connection: sqlite3.Connection, settings: TrainingSettings, rate: float, overhead: float | None
) -> None:
    """Record a measured rate.

    Parameters
    ----------
    connection : sqlite3.Connection
        Open for writing.
    settings : TrainingSettings
    rate : float
        Slices per second of one fold while the others train.
    overhead : float or None
        Seconds of a run that do not depend on the number of slices.
    """
    at_once = count_parallel_folds(settings)
    connection.execute(
        "INSERT INTO rates (time, host, network, size, batch_size, threads, folds_at_once,"
        " images_per_second, overhead) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            time.time(),
            lease.get_hostname(),
            settings.network,
            settings.preprocessing.size,
            settings.batch_size,
            max(1, (os.cpu_count() or 1) // at_once),
            at_once,
            rate,
            overhead,
        ),
    )
