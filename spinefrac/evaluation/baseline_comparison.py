"""A trained model against the audit's baselines: is it better than a linear model on brightness?

Both predicted the same slices out of the same folds. Slices are compared within a fold, because
models of different folds start from different base rates, and the intervals of the difference are
paired: both models get the same resamples of whole groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spinefrac import wording
from spinefrac.evaluation.inputs import FloatArray, IntArray
from spinefrac.evaluation.intervals import Interval, difference_interval, draw_group_resamples
from spinefrac.evaluation.ranking import PairRanking
from spinefrac.records import Share

#: What each baseline of `spinefrac.audit.baselines` is a linear model of, by its key.
BASELINES = {
    "thumbnails": "thumbnails of 16 × 16 pixels",
    "properties": "brightness, file properties and position in the series",
}
_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class BaselineComparison:
    """A model and one baseline on the same slices and folds.

    Attributes
    ----------
    baseline : str
        A key of `BASELINES`.
    auc, model_auc : float
        Areas under the ROC curve of the baseline and of the model, over pairs of a fold.
    interval : (low, high) or None
        95 % confidence interval of the model's AUC minus the baseline's, by a paired bootstrap
        over groups; None for too few groups.
    """

    baseline: str
    auc: Share
    model_auc: Share
    interval: Interval | None

    @property
    def difference(self) -> float:
        """The model's AUC minus the baseline's."""
        return self.model_auc - self.auc

    @property
    def is_beaten(self) -> bool:
        """Whether the model is better, beyond what the patients drawn explain."""
        return self.interval is not None and self.interval[0] > 0


def compare_with_baselines(
    y_true: IntArray,
    y_score: FloatArray,
    baseline_scores: Mapping[str, npt.ArrayLike],
    folds: IntArray,
    groups: npt.NDArray[np.str_],
) -> tuple[BaselineComparison, ...]:
    """Compare out-of-fold scores of a model with those of each baseline.

    Parameters
    ----------
    y_true, folds, groups : arrays, shape (N,)
    y_score : float64 array, shape (N,)
    baseline_scores : mapping of array-like, shape (N,)
        By the baseline's key, from the same folds.

    Returns
    -------
    tuple of BaselineComparison
        The baseline with the highest AUC first. Empty where no fold holds both classes.
    """
    codes = np.unique(groups, return_inverse=True)[1]
    n_groups = int(codes.max()) + 1
    scores = {"model": y_score} | {k: np.asarray(v, float) for k, v in baseline_scores.items()}
    whole = np.ones((n_groups, 1))
    point = {name: _FoldwiseAuc(y_true, values, folds, codes) for name, values in scores.items()}
    if not np.isfinite(point["model"](whole)[0]) or len(scores) < 2:
        return ()
    drawn: dict[str, list[FloatArray]] = {name: [] for name in scores}
    for weights in draw_group_resamples(n_groups, _RESAMPLES, 0, n_slices=len(y_true)):
        for name, auc in point.items():
            drawn[name].append(auc(weights))
    replicates = {name: np.concatenate(parts) for name, parts in drawn.items()}
    bearing = min(len(np.unique(codes[y_true == label])) for label in (0, 1))
    model_auc = float(point["model"](whole)[0])
    found = []
    for name in baseline_scores:
        baseline_auc = float(point[name](whole)[0])
        interval = difference_interval(
            model_auc - baseline_auc, replicates["model"] - replicates[name], bearing
        )
        found.append(
            BaselineComparison(name, baseline_auc, model_auc, interval[0] if interval else None)
        )
    return tuple(sorted(found, key=lambda comparison: -comparison.auc))


class _FoldwiseAuc:
    """The AUC over pairs of slices of one fold, for any weights of the groups."""

    def __init__(
        self, y_true: IntArray, y_score: FloatArray, folds: IntArray, codes: IntArray
    ) -> None:
        self._rankings = [
            PairRanking(y_true[part], y_score[part], codes[part])
            for part in (folds == number for number in np.unique(folds))
        ]

    def __call__(self, weights: FloatArray) -> FloatArray:
        """Return the AUC for weights (G, R), shape (R,); NaN where it is not defined."""
        ordered, pairs = np.sum([ranking(weights) for ranking in self._rankings], axis=0)
        return np.divide(ordered, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)


def is_no_better(comparisons: Sequence[BaselineComparison]) -> bool:
    """Return whether some baseline is not beaten, so that people are told."""
    return any(not comparison.is_beaten for comparison in comparisons)


def describe_comparison(comparisons: Sequence[BaselineComparison]) -> str:
    """Return in a sentence or two how a model stands against the baselines; empty for none."""
    if not comparisons:
        return ""
    if not is_no_better(comparisons):
        return f"Better than the trivial models of the audit: {_give_numbers(comparisons[0])}."
    # The one that is hardest to beat, not the one with the highest AUC: their spreads differ.
    hardest = min(comparisons, key=lambda c: c.interval[0] if c.interval else -np.inf)
    is_worse = hardest.interval is not None and hardest.interval[1] < 0
    verdict = "Worse than" if is_worse else "Not shown to be better than"
    return (
        f"{verdict} a trivial model: {_give_numbers(hardest)}. Until it is better, do not assume "
        "that it recognises fractures: check the data, train longer or add patients."
    )


def to_json_entry(comparisons: Sequence[BaselineComparison]) -> dict[str, Any] | None:
    """Return the comparisons as ``spinefrac train --json`` prints them; None for none."""
    if not comparisons:
        return None
    return {
        "no_better": is_no_better(comparisons),
        "notice": describe_comparison(comparisons),
        "comparisons": [asdict(comparison) for comparison in comparisons],
    }


def _give_numbers(comparison: BaselineComparison) -> str:
    interval = comparison.interval
    spread = (
        f"95 % CI {wording.format_interval(interval, signed=True)}"
        if interval
        else "too few groups for an interval"
    )
    return (
        f"on the same slices and folds, a linear model on {BASELINES[comparison.baseline]} has an "
        f"AUC of {comparison.auc:.3f} and this model {comparison.model_auc:.3f}, compared within "
        f"folds (difference {comparison.difference:+.3f}, {spread})"
    )
