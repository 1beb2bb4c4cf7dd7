"""The throughput probe: a few batches, for an estimate before the first run."""

from __future__ import annotations

import json
from pathlib import Path

from spinefrac import settings
from spinefrac.system import background
from spinefrac.training.settings import TrainingSettings

_WORKER = "spinefrac.training.runner.throughput_probe"


def start_throughput_probe(training_settings: TrainingSettings) -> bool:
    """Start a process that measures the throughput of a network, unless one is running.

    It takes about a quarter of a minute; then `estimate_duration` has a rate.

    Returns
    -------
    bool
        Whether one was started.
    """
    if is_probe_running():
        return False
    background.start(probe_path(), _WORKER, json.dumps(training_settings.to_dict()))
    return True


def is_probe_running() -> bool:
    """Return whether a throughput probe is running."""
    progress = background.read_progress(probe_path())
    return progress is not None and progress.running


def probe_path() -> Path:
    """Return the file that says whether a probe is running, and how the last one ended."""
    return settings.runs_dir() / "throughput-probe.json"
