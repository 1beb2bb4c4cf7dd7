"""Metrics of parts of the slices, by fold or by scanner, and how much they differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac.evaluation.inputs import make_sample
from spinefrac.evaluation.metric_kernels import METRIC_NAMES
from spinefrac.evaluation.metrics import Metrics, summarize


@dataclass(frozen=True, slots=True)
class Spread:
    """A metric over several parts: `sd` is of the parts (n - 1), None for a single one."""

    mean: float
    sd: float | None
    low: float
    high: float
    parts: int


def by_part(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    groups: npt.ArrayLike,
    parts: npt.ArrayLike,
    threshold: float,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Metrics]:
    """Measure each part by itself.

    Parameters
    ----------
    labels, probabilities, groups : array-like, shape (N,)
    parts : array-like, shape (N,)
        The fold, scanner, series or other property of each slice.
    threshold : float
    resamples, seed : int
        Of the group bootstrap; 0 resamples for no intervals.

    Returns
    -------
    dict of Metrics
        By the part's name as text, sorted as the parts themselves are (fold 10 after fold 9).

    Raises
    ------
    DatasetError
        As in `metrics.summarize`.
    """
    label_array, group_array = np.asarray(labels), np.asarray(groups)
    sample = make_sample(label_array, probabilities, parts)
    measured = {}
    for code, name in enumerate(sample.names.tolist()):
        mine = sample.codes == code
        measured[name] = summarize(
            sample.labels[mine],
            sample.probabilities[mine],
            group_array[mine],
            threshold,
            resamples=resamples,
            seed=seed,
        )
    return measured


def spread(parts: Iterable[Metrics]) -> dict[str, Spread]:
    """Return mean and spread of every metric over parts that define it.

    The standard deviation over folds says how much one training differs from another. It is
    not a standard error: folds share most of their training slices, and no unbiased estimate
    of the variance of their mean exists (Bengio and Grandvalet, 2004).

    Parameters
    ----------
    parts : iterable of Metrics

    Returns
    -------
    dict of Spread
        A metric that no part defines is not in it.
    """
    measured = list(parts)
    result = {}
    for name in METRIC_NAMES:
        values = [getattr(part, name) for part in measured if getattr(part, name) is not None]
        if values:
            result[name] = Spread(
                mean=float(np.mean(values)),
                sd=float(np.std(values, ddof=1)) if len(values) > 1 else None,
                low=min(values),
                high=max(values),
                parts=len(values),
            )
    return result
