"""Differences of one model's metrics between two data sets, with their tests."""

from __future__ import annotations

import numpy as np

from spinefrac.evaluation.compare import MetricDifference, holm_correction
from spinefrac.evaluation.inputs import EvaluationInputs
from spinefrac.evaluation.intervals import bootstrap, difference_interval
from spinefrac.evaluation.metric_kernels import METRIC_NAMES, WeightedMetrics
from spinefrac.evaluation.metrics import count_contributing_groups


def metric_shift(
    reference: EvaluationInputs,
    external: EvaluationInputs,
    threshold: float,
    *,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, MetricDifference]:
    """Compare a model's metrics on two data sets that share no patient.

    Each data set's groups are resampled by themselves, so the comparison is unpaired. The
    degrees of freedom are those of the data set with fewer groups that contribute to the metric,
    which is more conservative than Welch's.

    Parameters
    ----------
    reference, external : EvaluationInputs
        Such as the out-of-fold predictions and those on external data.
    threshold : float
        At or above it the predicted class is fracture, in both.
    n_resamples, seed : int
        Of the group bootstraps.

    Returns
    -------
    dict of MetricDifference
        Metric name to `external` minus `reference`, with the 95 % interval and p-values, those of
        all metrics corrected together by Holm's method. All None where a data set does not
        define the metric.
    """
    drawn, point = [], []
    for number, inputs in enumerate((reference, external)):
        metrics = WeightedMetrics(inputs, threshold)
        point.append(metrics(np.ones((inputs.n_groups, 1))))
        drawn.append(
            bootstrap(
                metrics,
                inputs.n_groups,
                n_slices=inputs.n_slices,
                n_resamples=n_resamples,
                seed=2 * seed + number,  # independent draws: the data sets share no patient
            )
        )
    values, found = {}, {}
    for name in METRIC_NAMES:
        values[name] = float(point[1][name][0] - point[0][name][0])
        groups = min(
            count_contributing_groups(reference, name), count_contributing_groups(external, name)
        )
        if groups > 1:
            spread = drawn[1][name] - drawn[0][name]
            if interval := difference_interval(values[name], spread, groups):
                found[name] = interval
    corrected = dict(zip(found, holm_correction([p for _, p in found.values()]), strict=True))
    return {
        name: MetricDifference(value, *found[name], corrected[name])
        if name in found
        else MetricDifference(value if np.isfinite(value) else None, None, None, None)
        for name, value in values.items()
    }
