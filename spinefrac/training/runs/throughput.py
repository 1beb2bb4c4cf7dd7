"""Have a few batches tried, so that an estimate is known before the first run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from spinefrac import settings
from spinefrac.system import processes
from spinefrac.training.runs.lease import detached, environment
from spinefrac.training.settings import TrainingSettings


def start_trial(wanted: TrainingSettings) -> bool:
    """Start a process that measures the rate of a network here, unless one is at it.

    It takes about a quarter of a minute; then `estimate` answers.

    Returns
    -------
    bool
        Whether one was started.
    """
    if trying():
        return False
    settings.runs_dir().mkdir(parents=True, exist_ok=True)
    with (settings.runs_dir() / "trial.log").open("wb") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "spinefrac.training.runner.throughput_probe",
                json.dumps(wanted.to_dict()),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=settings.home(),
            env=environment(),
            **detached(),
        )
    _mark().write_text(f"{process.pid} {processes.start_time(process.pid) or 0}")
    return True


def trying() -> bool:
    """Return whether a trial is at work."""
    try:
        pid, started = _mark().read_text().split()
        return processes.alive(int(pid), float(started))
    except (OSError, ValueError):
        return False


def _mark() -> Path:
    return settings.runs_dir() / "trial.pid"
