"""Runs as the JSON objects that `spinefrac runs` and REST give out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from spinefrac.training.runs.records import Event, Run, RunProgress


def describe_run(run: Run) -> dict[str, Any]:
    """Return a run."""
    return {**asdict(run), "seconds": run.seconds}


def describe_progress(progress: RunProgress) -> dict[str, Any]:
    """Return the progress of a run beside the run itself; undefined numbers are null."""
    found = {
        "folds": [{**asdict(fold), "auc": fold.auc} for fold in progress.folds],
        "share": progress.share,
        "seconds_left": progress.seconds_left,
        "position": progress.position,
        "workers": [asdict(worker) for worker in progress.workers],
        "log": [{"time": time, "line": line} for time, line in progress.log],
        "runner": asdict(progress.runner) if progress.runner else None,
    }
    replaced = replace_nan(found)
    assert isinstance(replaced, dict)
    return replaced


def describe_event(event: Event) -> dict[str, Any]:
    """Return an event with the fields that its kind has."""
    found = {key: value for key, value in asdict(event).items() if value not in (None, "")}
    replaced = replace_nan(found)
    assert isinstance(replaced, dict)
    return replaced


def replace_nan(value: Any) -> Any:
    """Return a value in which every number that is not defined is None, which JSON has."""
    if isinstance(value, dict):
        return {key: replace_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [replace_nan(entry) for entry in value]
    return None if isinstance(value, float) and value != value else value
