"""Training runs: queued by any process, executed by one runner, followed from anywhere.

    run = submit(RunRequest("slices", "first"))
    get_progress(run.id).folds[0].epoch
    cancel(run.id)
    resume(run.id)

The runner, `spinefrac.training.runner`, trains in a process of its own. All records of runs are in
``HOME/runs/spinefrac.db``.
"""

from spinefrac.training.runs.adoption import adopt
from spinefrac.training.runs.commands import (
    cancel,
    resume,
    run_folder,
    submit,
)
from spinefrac.training.runs.estimates import estimate_duration
from spinefrac.training.runs.folder_summary import (
    summarize_audit,
    summarize_folder,
    summarize_preview,
)
from spinefrac.training.runs.lease import ensure_runner
from spinefrac.training.runs.queries import (
    get_progress,
    get_run,
    get_runner_state,
    list_events,
    list_runs,
)
from spinefrac.training.runs.records import (
    Cluster,
    DurationEstimate,
    Event,
    FolderSummary,
    FoldProgress,
    Run,
    RunnerState,
    RunProgress,
    RunRequest,
    WorkerState,
)
from spinefrac.training.runs.stream import follow
from spinefrac.training.runs.throughput import is_probe_running, start_throughput_probe
from spinefrac.training.runs.validation import validate_cluster

__all__ = [
    "Cluster",
    "DurationEstimate",
    "Event",
    "FoldProgress",
    "FolderSummary",
    "Run",
    "RunProgress",
    "RunRequest",
    "RunnerState",
    "WorkerState",
    "adopt",
    "cancel",
    "ensure_runner",
    "estimate_duration",
    "follow",
    "get_progress",
    "get_run",
    "get_runner_state",
    "is_probe_running",
    "list_events",
    "list_runs",
    "resume",
    "run_folder",
    "start_throughput_probe",
    "submit",
    "summarize_audit",
    "summarize_folder",
    "summarize_preview",
    "validate_cluster",
]
