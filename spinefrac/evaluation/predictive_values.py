"""Positive and negative predictive value at a stated prevalence.

Sensitivity and specificity depend on the model and the threshold, predictive values also on the
prevalence among the slices that are predicted (Altman and Bland, 1994).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac.errors import DatasetError
from spinefrac.evaluation.deferral import Proportion
from spinefrac.evaluation.inputs import FloatArray, make_inputs
from spinefrac.evaluation.intervals import bootstrap, rate_interval
from spinefrac.evaluation.metric_kernels import ThresholdMetrics, safe_divide
from spinefrac.evaluation.metrics import count_contributing_groups


@dataclass(frozen=True, slots=True)
class PredictiveValues:
    """PPV and NPV of predictions at one threshold and one prevalence.

    Attributes
    ----------
    prevalence : float
        Share of slices with a fracture.
    ppv : Proportion
        Share of the slices predicted fracture that have one; NaN where there would be none.
    npv : Proportion
        Share of the slices predicted no fracture that have none; NaN where there would be none.
    """

    prevalence: float
    ppv: Proportion
    npv: Proportion


class PredictiveValueCalculator:
    """Predictions at one threshold, for any number of prevalences.

    Parameters
    ----------
    y_true, y_score, groups : array-like, shape (N,)
        As in `metrics.compute_metrics`.
    threshold : float

    Raises
    ------
    DatasetError
        If the arrays do not fit together.

    Examples
    --------
    >>> # sensitivity 0.9 and specificity 0.9
    >>> y_true, y_score = [1] * 10 + [0] * 10, [0.9] * 9 + [0.1] * 10 + [0.9]
    >>> values = PredictiveValueCalculator(y_true, y_score, range(20), 0.5).at_prevalence(0.01)
    >>> round(values.ppv.value, 3), round(values.npv.value, 3)
    (0.083, 0.999)
    """

    def __init__(
        self,
        y_true: npt.ArrayLike,
        y_score: npt.ArrayLike,
        groups: npt.ArrayLike,
        threshold: float,
    ) -> None:
        inputs = make_inputs(y_true, y_score, groups)
        self.observed_prevalence = inputs.n_positives / inputs.n_slices
        statistic = ThresholdMetrics(inputs, threshold)
        everything = statistic(np.ones((inputs.n_groups, 1)))
        self._estimates = (everything["recall"], everything["specificity"])
        self._n_groups = count_contributing_groups(inputs, "precision")
        drawn = (
            bootstrap(statistic, inputs.n_groups, n_slices=inputs.n_slices)
            if inputs.n_groups > 1
            else {}
        )
        empty = np.full(1, np.nan)
        self._replicates = (drawn.get("recall", empty), drawn.get("specificity", empty))

    def at_prevalence(self, prevalence: float) -> PredictiveValues:
        """Return both predictive values with their 95 % intervals over groups.

        Raises
        ------
        DatasetError
            If the prevalence is not above 0 and below 1.
        """
        if not 0.0 < prevalence < 1.0:
            raise DatasetError(
                f"Expected a prevalence above 0 and below 1, got {prevalence:g}: give the share "
                "of slices with a fracture among those that are predicted."
            )
        point = _predictive_values(*self._estimates, prevalence)
        drawn = _predictive_values(*self._replicates, prevalence)
        shares = (
            Proportion(float(value[0]), rate_interval(float(value[0]), replicates, self._n_groups))
            for value, replicates in zip(point, drawn, strict=True)
        )
        return PredictiveValues(prevalence, *shares)


def _predictive_values(
    sensitivity: FloatArray, specificity: FloatArray, prevalence: float
) -> tuple[FloatArray, FloatArray]:
    """Return positive and negative predictive value by Bayes' rule, each of the same shape."""
    tp, fp = sensitivity * prevalence, (1.0 - specificity) * (1.0 - prevalence)
    tn, fn = specificity * (1.0 - prevalence), (1.0 - sensitivity) * prevalence
    return safe_divide(tp, tp + fp), safe_divide(tn, tn + fn)
