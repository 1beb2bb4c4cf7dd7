"""Metrics of parts of the slices, by fold or by scanner, and how much they differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac.evaluation.inputs import make_inputs
from spinefrac.evaluation.metric_kernels import METRIC_NAMES
from spinefrac.evaluation.metrics import Metrics, compute_metrics


@dataclass(frozen=True, slots=True)
class MetricSpread:
    """A metric over several parts: `sd` is of the parts (n - 1), None for a single one."""

    mean: float
    sd: float | None
    low: float
    high: float
    n_subgroups: int


def metrics_by_subgroup(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    groups: npt.ArrayLike,
    subgroups: npt.ArrayLike,
    threshold: float,
    *,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Metrics]:
    """Measure each part by itself.

    Parameters
    ----------
    y_true, y_score, groups : array-like, shape (N,)
    subgroups : array-like, shape (N,)
        The fold, scanner, series or other property of each slice.
    threshold : float
    n_resamples, seed : int
        Of the group bootstrap; 0 resamples for no intervals.

    Returns
    -------
    dict of Metrics
        By the part's name as text, sorted as the parts themselves are (fold 10 after fold 9).

    Raises
    ------
    DatasetError
        As in `metrics.compute_metrics`.
    """
    label_array, group_array = np.asarray(y_true), np.asarray(groups)
    sample = make_inputs(label_array, y_score, subgroups)
    measured = {}
    for code, name in enumerate(sample.group_names.tolist()):
        mine = sample.group_codes == code
        measured[name] = compute_metrics(
            sample.y_true[mine],
            sample.y_score[mine],
            group_array[mine],
            threshold,
            n_resamples=n_resamples,
            seed=seed,
        )
    return measured


def metric_spread(subgroup_metrics: Iterable[Metrics]) -> dict[str, MetricSpread]:
    """Return mean and spread of every metric over parts that define it.

    The standard deviation over folds says how much one training differs from another. It is
    not a standard error: folds share most of their training slices, and no unbiased estimate
    of the variance of their mean exists (Bengio and Grandvalet, 2004).

    Parameters
    ----------
    subgroup_metrics : iterable of Metrics

    Returns
    -------
    dict of Spread
        A metric that no part defines is not in it.
    """
    measured = list(subgroup_metrics)
    result = {}
    for name in METRIC_NAMES:
        values = [getattr(part, name) for part in measured if getattr(part, name) is not None]
        if values:
            result[name] = MetricSpread(
                mean=float(np.mean(values)),
                sd=float(np.std(values, ddof=1)) if len(values) > 1 else None,
                low=min(values),
                high=max(values),
                n_subgroups=len(values),
            )
    return result
