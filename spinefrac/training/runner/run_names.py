"""A name for a run that nobody has chosen one for, also when two are submitted at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from spinefrac import settings as places
from spinefrac.errors import ModelError, RunError
from spinefrac.store import identifiers
from spinefrac.training import runs
from spinefrac.training.settings import TrainingSettings

#: How many others may take the proposed name at the same moment.
_MAX_ATTEMPTS = 20


def propose_name(preferred_name: str) -> str:
    """Return a name like `preferred_name` that neither a saved model nor an open run has."""
    models = places.models_dir()
    taken = {path.name for path in models.iterdir()} if models.is_dir() else set()
    return identifiers.find_free_id(
        preferred_name, taken | {run.name for run in runs.list_runs() if run.is_open}
    )


def submit_with_free_name(
    folder: str | os.PathLike[str], name: str, settings: TrainingSettings, **options: Any
) -> runs.Run:
    """Submit a run; without a name it gets the first free one that is like its folder's.

    Parameters
    ----------
    folder : path
    name : str
        Empty for a proposed one.
    settings : TrainingSettings
    options
        See `runs.submit`, whose errors these are.
    """
    if name.strip():
        return runs.submit(folder, name.strip(), settings, **options)
    for _ in range(_MAX_ATTEMPTS):
        proposed = propose_name(Path(folder).name)
        try:
            return runs.submit(folder, proposed, settings, **options)
        except (RunError, ModelError):
            if (
                propose_name(Path(folder).name) == proposed
            ):  # nobody was faster: something else is wrong
                raise
    raise RunError("Every proposed name was taken by somebody else: choose one yourself")
