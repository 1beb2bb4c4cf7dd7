"""Metrics of subgroups of the slices, such as folds or scanners, and their spread."""

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
    """A metric over several subgroups: `sd` with n - 1, None for a single subgroup."""

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
    """Compute the metrics of each subgroup.

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
        By the name of the subgroup as text, sorted as the values are (fold 10 after fold 9).

    Raises
    ------
    DatasetError
        As in `metrics.compute_metrics`.
    """
    label_array, group_array = np.asarray(y_true), np.asarray(groups)
    inputs = make_inputs(label_array, y_score, subgroups)
    measured = {}
    for code, name in enumerate(inputs.group_names.tolist()):
        mine = inputs.group_codes == code
        measured[name] = compute_metrics(
            inputs.y_true[mine],
            inputs.y_score[mine],
            group_array[mine],
            threshold,
            n_resamples=n_resamples,
            seed=seed,
        )
    return measured


def metric_spread(subgroup_metrics: Iterable[Metrics]) -> dict[str, MetricSpread]:
    """Return mean and spread of every metric over the subgroups that define it.

    The standard deviation over folds shows how much one training differs from another. It is
    not a standard error: folds share most of their training slices, and no unbiased estimate
    of the variance of their mean exists (Bengio and Grandvalet, 2004).

    Parameters
    ----------
    subgroup_metrics : iterable of Metrics

    Returns
    -------
    dict of MetricSpread
        Without metrics that no subgroup defines.
    """
    measured = list(subgroup_metrics)
    result = {}
    for name in METRIC_NAMES:
        values = [value for one in measured if (value := getattr(one, name)) is not None]
        if values:
            result[name] = MetricSpread(
                mean=float(np.mean(values)),
                sd=float(np.std(values, ddof=1)) if len(values) > 1 else None,
                low=min(values),
                high=max(values),
                n_subgroups=len(values),
            )
    return result
