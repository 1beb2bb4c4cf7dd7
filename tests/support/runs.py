"""Submit a run without starting a runner."""

from pathlib import Path
from typing import Any

from spinefrac.training import runs
from spinefrac.training.settings import TrainingSettings


def submit(
    folder: Path, settings: TrainingSettings, name: str = "first", **options: Any
) -> runs.Run:
    """Return the queued run; `options` are other fields of `RunRequest`."""
    return runs.submit(runs.RunRequest(folder, name, settings, **options), start_runner=False)
