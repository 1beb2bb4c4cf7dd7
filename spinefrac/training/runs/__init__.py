"""Training runs: queued by anyone, executed by one process, watched from anywhere.

    run = submit("slices", "first")
    progress(run.id).folds[0].epoch
    cancel(run.id)
    resume(run.id)

Nothing here trains: `spinefrac.training.runner` does, in a process of its own. What is known
of runs lies in ``HOME/runs/spinefrac.db``.
"""

from spinefrac.training.runs.commands import (
    cancel,
    check_cluster,
    inspect_folder,
    resume,
    run_folder,
    submit,
)
from spinefrac.training.runs.estimates import estimate
from spinefrac.training.runs.lease import ensure_runner
from spinefrac.training.runs.queries import (
    events,
    get,
    listing,
    progress,
    runner_state,
)
from spinefrac.training.runs.records import (
    Cluster,
    Estimate,
    Event,
    FolderSummary,
    FoldProgress,
    Progress,
    Run,
    RunnerState,
    WorkerState,
)
from spinefrac.training.runs.stream import follow
from spinefrac.training.runs.throughput import start_trial, trying

__all__ = [
    "Cluster",
    "Estimate",
    "Event",
    "FoldProgress",
    "FolderSummary",
    "Progress",
    "Run",
    "RunnerState",
    "WorkerState",
    "cancel",
    "check_cluster",
    "ensure_runner",
    "estimate",
    "events",
    "follow",
    "get",
    "inspect_folder",
    "listing",
    "progress",
    "resume",
    "run_folder",
    "runner_state",
    "start_trial",
    "submit",
    "trying",
]
