"""The same model on two data sets: has it become better or worse, by more than chance?"""

from __future__ import annotations

import numpy as np

from spinefrac.evaluation.compare import Difference, holm
from spinefrac.evaluation.inputs import Sample
from spinefrac.evaluation.intervals import bootstrap, difference_interval
from spinefrac.evaluation.metric_kernels import METRIC_NAMES, WeightedMetrics
from spinefrac.evaluation.metrics import bearing_groups


def shift(
    before: Sample, after: Sample, threshold: float, *, resamples: int = 2000, seed: int = 0
) -> dict[str, Difference]:
    """Compare a model's answers on two data sets that share no patient.

    Each data set's groups are resampled by themselves, so the comparison is unpaired. The
    degrees of freedom are those of the data set with fewer groups that bear on the metric,
    which errs to the safe side of Welch's.

    Parameters
    ----------
    before, after : Sample
        Such as the out-of-fold answers and those on a folder that the model never saw.
    threshold : float
        A slice is called a fracture at or above it, in both.
    resamples, seed : int
        Of the group bootstraps.

    Returns
    -------
    dict of Difference
        Metric name to `after` minus `before`, with the 95 % interval and p-values, those of
        all metrics corrected together by Holm's method. All None where a data set does not
        define the metric.
    """
    drawn, point = [], []
    for number, sample in enumerate((before, after)):
        metrics = WeightedMetrics(sample, threshold)
        point.append(metrics(np.ones((sample.groups, 1))))
        drawn.append(
            bootstrap(
                metrics,
                sample.groups,
                rows=sample.n,
                resamples=resamples,
                seed=2 * seed + number,  # independent draws: the data sets share no patient
            )
        )
    values, found = {}, {}
    for name in METRIC_NAMES:
        values[name] = float(point[1][name][0] - point[0][name][0])
        groups = min(bearing_groups(before, name), bearing_groups(after, name))
        if groups > 1:
            spread = drawn[1][name] - drawn[0][name]
            if interval := difference_interval(values[name], spread, groups):
                found[name] = interval
    corrected = dict(zip(found, holm([p for _, p in found.values()]), strict=True))
    return {
        name: Difference(value, *found[name], corrected[name])
        if name in found
        else Difference(value if np.isfinite(value) else None, None, None, None)
        for name, value in values.items()
    }
