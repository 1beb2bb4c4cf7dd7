"""What an answer is worth where fractures are as rare or as common as somebody says.

Sensitivity and specificity belong to the model and the threshold, predictive values also to
how common fractures are among the slices that are asked about (Altman and Bland, 1994).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac.errors import DatasetError
from spinefrac.evaluation.deferral import Share
from spinefrac.evaluation.inputs import FloatArray, make_sample
from spinefrac.evaluation.intervals import bootstrap, rate_interval
from spinefrac.evaluation.metric_kernels import CallMetrics, ratio
from spinefrac.evaluation.metrics import bearing_groups


@dataclass(frozen=True, slots=True)
class PredictiveValues:
    """Of answers at one threshold and one prevalence.

    Attributes
    ----------
    prevalence : float
        Share of slices with a fracture.
    positive : Share
        Of the slices called a fracture, how many are one; NaN where none would be.
    negative : Share
        Of the slices called no fracture, how many are none; NaN where none would be.
    """

    prevalence: float
    positive: Share
    negative: Share


class Predictive:
    """Answers at one threshold, ready for one prevalence after another.

    Parameters
    ----------
    labels, probabilities, groups : array-like, shape (N,)
        As in `metrics.summarize`.
    threshold : float

    Raises
    ------
    DatasetError
        If the arrays do not fit together.
    """

    def __init__(
        self,
        labels: npt.ArrayLike,
        probabilities: npt.ArrayLike,
        groups: npt.ArrayLike,
        threshold: float,
    ) -> None:
        sample = make_sample(labels, probabilities, groups)
        self.observed = sample.positives / sample.n
        calls = CallMetrics(sample, threshold)
        everything = calls(np.ones((sample.groups, 1)))
        self._point = (everything["recall"], everything["specificity"])
        self._groups = bearing_groups(sample, "precision")
        drawn = bootstrap(calls, sample.groups, rows=sample.n) if sample.groups > 1 else {}
        empty = np.full(1, np.nan)
        self._drawn = (drawn.get("recall", empty), drawn.get("specificity", empty))

    def at(self, prevalence: float) -> PredictiveValues:
        """Return both predictive values with their 95 % intervals over groups.

        Raises
        ------
        DatasetError
            If the prevalence is not above 0 and below 1.
        """
        if not 0.0 < prevalence < 1.0:
            raise DatasetError(
                f"Expected a prevalence above 0 and below 1, got {prevalence:g}: give the share "
                "of slices with a fracture among those that are asked about."
            )
        point = _values(*self._point, prevalence)
        drawn = _values(*self._drawn, prevalence)
        shares = (
            Share(float(value[0]), rate_interval(float(value[0]), replicates, self._groups))
            for value, replicates in zip(point, drawn, strict=True)
        )
        return PredictiveValues(prevalence, *shares)


def _values(
    sensitivity: FloatArray, specificity: FloatArray, prevalence: float
) -> tuple[FloatArray, FloatArray]:
    """Return positive and negative predictive value by Bayes' rule, each of the same shape."""
    hit, alarm = sensitivity * prevalence, (1.0 - specificity) * (1.0 - prevalence)
    clear, miss = specificity * (1.0 - prevalence), (1.0 - sensitivity) * prevalence
    return ratio(hit, hit + alarm), ratio(clear, clear + miss)
