"""Differences of one model's metrics between two data sets, with their tests.

Out-of-fold predictions are those of single networks, predictions of the model those of their
ensemble, which is better. Compared with each other they hide a drop in performance, so the
networks are compared one by one: `stack_networks`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spinefrac.evaluation.compare import MetricDifference, holm_correction
from spinefrac.evaluation.inputs import EvaluationInputs, make_inputs
from spinefrac.evaluation.intervals import bootstrap, difference_interval
from spinefrac.evaluation.metric_kernels import METRIC_NAMES, WeightedMetrics
from spinefrac.evaluation.metrics import count_contributing_groups

#: Tested by itself, as it was chosen before any data are seen; the others are corrected together.
PRIMARY_METRIC = "auc"


def stack_networks(
    y_true: npt.ArrayLike, network_probabilities: npt.ArrayLike, groups: npt.ArrayLike
) -> EvaluationInputs:
    """Return the predictions of every network of an ensemble as rows of their own.

    Rates and means over these rows are the averages of the networks' own. An AUC ranks slices of
    one network against those of the others too, as that of out-of-fold predictions does: there,
    two patients have the same network as often as here, one time in K.

    Parameters
    ----------
    y_true, groups : array-like, shape (N,)
    network_probabilities : array-like, shape (N, K)

    Returns
    -------
    EvaluationInputs
        Of N times K rows in the same groups: the networks add no patients.
    """
    scores = np.asarray(network_probabilities, np.float64)
    networks = scores.shape[1]
    return make_inputs(
        np.repeat(np.asarray(y_true), networks),
        scores.ravel(),
        np.repeat(np.asarray(groups), networks),
    )


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
        The out-of-fold predictions, and those of the same networks on external data.
    threshold : float
        At or above it the predicted class is fracture, in both.
    n_resamples, seed : int
        Of the group bootstraps.

    Returns
    -------
    dict of MetricDifference
        Metric name to `external` minus `reference`, with the 95 % interval and p-values. Those
        of all metrics but `PRIMARY_METRIC` are corrected together by Holm's method. All None
        where a data set does not define the metric.
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
    secondary = {name: p for name, (_, p) in found.items() if name != PRIMARY_METRIC}
    corrected = dict(zip(secondary, holm_correction(list(secondary.values())), strict=True))
    if PRIMARY_METRIC in found:
        corrected[PRIMARY_METRIC] = found[PRIMARY_METRIC][1]
    return {
        name: MetricDifference(value, *found[name], corrected[name])
        if name in found
        else MetricDifference(value if np.isfinite(value) else None, None, None, None)
        for name, value in values.items()
    }
