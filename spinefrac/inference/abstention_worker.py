"""The abstention band of a model, chosen in a process of its own.

MAPIE and the libraries that it imports take 150 MB, which a server would hold from the first
prediction on; here they are gone some seconds after the last band was chosen.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from spinefrac.errors import DatasetError
from spinefrac.evaluation import deferral
from spinefrac.evaluation.deferral import AbstentionBand
from spinefrac.records import OutOfFoldPredictions
from spinefrac.system.resource_limits import ResourceLimits
from spinefrac.system.worker_pool import WorkerPool
from spinefrac.system.worker_process import Failure

_LIMITS = ResourceLimits(memory_mib=4096, file_mib=0, cpu_s=600, wall_s=600)


@dataclass(frozen=True, slots=True)
class BandChoice:
    """The band, or where there is none about how many groups one would need (None: too many)."""

    band: AbstentionBand | None
    groups_needed: int | None


def choose_band(
    oof: OutOfFoldPredictions, threshold: float, acceptable_error_rate: float
) -> BandChoice:
    """Choose the abstention band of a model in another process.

    Parameters
    ----------
    oof : OutOfFoldPredictions
    threshold : float
    acceptable_error_rate : float
        See `deferral.choose_abstention_band`.

    Raises
    ------
    DatasetError
        The rate is out of range, or the predictions cannot be evaluated.
    """
    return _get_pool(os.getpid()).call(
        compute_band,
        oof.labels.tolist(),
        oof.probabilities.tolist(),
        oof.groups.tolist(),
        threshold,
        acceptable_error_rate,
    )


def compute_band(
    labels: list[int],
    probabilities: list[float],
    groups: list[str],
    threshold: float,
    acceptable_error_rate: float,
) -> BandChoice:
    """Choose the band in this process; called in a worker."""
    predictions = np.array(labels), np.array(probabilities), np.array(groups), threshold
    band = deferral.choose_abstention_band(
        *predictions, acceptable_error_rate=acceptable_error_rate
    )
    if band is not None:
        return BandChoice(band, None)
    needed = deferral.count_groups_for_band(
        *predictions, acceptable_error_rate=acceptable_error_rate
    )
    return BandChoice(None, needed)


@lru_cache(maxsize=1)  # a process that was forked gets a pool of its own
def _get_pool(process: int) -> WorkerPool:
    return WorkerPool(__name__, _LIMITS, _describe_failure, max_calls=100)


def _describe_failure(failure: Failure) -> DatasetError:
    return DatasetError(
        f"The abstention band could not be chosen: its process {failure.description}; try again"
    )
