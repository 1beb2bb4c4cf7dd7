"""A free name for a run whose user chose none, also when two are submitted at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from spinefrac import settings as places
from spinefrac.errors import ModelError, RunError
from spinefrac.store import identifiers
from spinefrac.training import runs

#: How often a proposed name may be taken by another run before it was submitted.
_MAX_ATTEMPTS = 20


def propose_name(preferred_name: str) -> str:
    """Return a name like `preferred_name` that neither a saved model nor an open run has."""
    models = places.models_dir()
    taken = {path.name for path in models.iterdir()} if models.is_dir() else set()
    return identifiers.find_free_id(
        preferred_name, taken | {run.name for run in runs.list_runs() if run.is_open}
    )


def submit_with_free_name(
    request: runs.RunRequest, summary: runs.FolderSummary | None = None
) -> runs.Run:
    """Submit a run; where its name is empty it gets the first free one like its folder's.

    Parameters
    ----------
    request : RunRequest
    summary : FolderSummary, optional
        See `runs.submit`, which also says what is raised.
    """
    if name := request.name.strip():
        return runs.submit(replace(request, name=name), summary=summary)
    for _ in range(_MAX_ATTEMPTS):
        proposed = propose_name(Path(request.folder).name)
        try:
            return runs.submit(replace(request, name=proposed), summary=summary)
        except (RunError, ModelError):
            if propose_name(Path(request.folder).name) == proposed:  # still free: another error
                raise
    raise RunError("Every proposed name was taken by somebody else: choose one yourself")
