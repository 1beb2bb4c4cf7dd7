"""The throughput probe: a few batches, for an estimate before the first run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from spinefrac import settings
from spinefrac.system import private_files, processes
from spinefrac.training.runs.lease import build_subprocess_env, get_detach_options
from spinefrac.training.settings import TrainingSettings


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
    private_files.make_folder(settings.runs_dir())
    private_files.create_file(settings.runs_dir() / "trial.log")
    with (settings.runs_dir() / "trial.log").open("wb") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "spinefrac.training.runner.throughput_probe",
                json.dumps(training_settings.to_dict()),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=settings.home(),
            env=build_subprocess_env(),
            **get_detach_options(),
        )
    _pid_path().write_text(f"{process.pid} {processes.start_time(process.pid) or 0}")
    return True


def is_probe_running() -> bool:
    """Return whether a throughput probe is running."""
    try:
        pid, started = _pid_path().read_text().split()
        return processes.is_alive(int(pid), float(started))
    except (OSError, ValueError):
        return False


def _pid_path() -> Path:
    return settings.runs_dir() / "trial.pid"
