"""How a model does on the slices of each grade of its input check, on one data set.

What a model states of itself holds for slices like its training slices. Whether it does on other
data, and whether the input check finds the slices for which it does not, is seen by grade.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac import wording
from spinefrac.evaluation import deferral
from spinefrac.evaluation.inputs import EvaluationInputs
from spinefrac.evaluation.intervals import Interval
from spinefrac.evaluation.ranking import roc_auc
from spinefrac.records import Count, Share


@dataclass(frozen=True, slots=True)
class GradeSummary:
    """A model on the slices of one grade.

    Attributes
    ----------
    grade : str
        As in `InputCheck`.
    slices, groups : int
    auc : float or None
        None where the slices are of one class.
    prevalence, mean_probability : float
        Share with a fracture, and the mean of the probabilities: equal where they are calibrated.
    error_rate, error_ci : float, and (low, high) or None
        Wrong predictions, with the 95 % interval over groups.
    outside : int
        Slices outside the abstention band; 0 where the model has no band.
    outside_error_rate, outside_error_ci : float or None, and (low, high) or None
        Wrong predictions of those.
    """

    grade: str
    slices: Count
    groups: Count
    auc: Share | None
    prevalence: Share
    mean_probability: Share
    error_rate: Share
    error_ci: Interval | None
    outside: Count = 0
    outside_error_rate: Share | None = None
    outside_error_ci: Interval | None = None

    def to_row(self) -> tuple[str, ...]:
        """Return the cells under `wording.GRADE_COLUMNS`."""
        outside = "–"
        if self.outside_error_rate is not None:
            rate = wording.format_percent_estimate(self.outside_error_rate, self.outside_error_ci)
            outside = f"{rate} of {self.outside:,}"
        return (
            wording.describe_grade(self.grade).capitalize(),
            f"{self.slices:,}",
            wording.format_number(self.auc),
            f"{wording.format_percent(self.prevalence)} / "
            f"{wording.format_percent(self.mean_probability)}",
            wording.format_percent_estimate(self.error_rate, self.error_ci),
            outside,
        )


def summarize_by_grade(
    inputs: EvaluationInputs,
    grades: Sequence[str],
    threshold: float,
    outside_band: npt.NDArray[np.bool_] | None = None,
) -> tuple[GradeSummary, ...]:
    """Summarize the slices of each grade.

    Parameters
    ----------
    inputs : EvaluationInputs
    grades : sequence of str, length N
    threshold : float
    outside_band : bool array, shape (N,), or None
        Slices that the abstention band does not send to a reader; None without a band.

    Returns
    -------
    tuple of GradeSummary
        From ``like`` to ``unlike``, those that occur.
    """
    of = np.asarray(grades)
    wrong = (inputs.y_score >= threshold) != (inputs.y_true == 1)
    outside = np.zeros(len(of), bool) if outside_band is None else outside_band
    found = []
    for grade in ("like", "unusual", "unlike"):
        own = of == grade
        if not own.any():
            continue
        errors = deferral.error_rate_among(inputs, own, wrong)
        accepted = own & outside
        outside_errors = deferral.error_rate_among(inputs, accepted, wrong)
        found.append(
            GradeSummary(
                grade=grade,
                slices=int(own.sum()),
                groups=len(np.unique(inputs.group_codes[own])),
                auc=roc_auc(inputs.y_true[own], inputs.y_score[own]),
                prevalence=float(inputs.y_true[own].mean()),
                mean_probability=float(inputs.y_score[own].mean()),
                error_rate=errors.value,
                error_ci=errors.interval,
                outside=int(accepted.sum()),
                outside_error_rate=outside_errors.value if accepted.any() else None,
                outside_error_ci=outside_errors.interval,
            )
        )
    return tuple(found)
