"""Comparison of models on the same slices: differences of metrics and their tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from spinefrac import wording
from spinefrac.errors import DatasetError
from spinefrac.evaluation.inputs import EvaluationInputs, FloatArray, make_inputs
from spinefrac.evaluation.intervals import Interval, bootstrap, difference_interval
from spinefrac.evaluation.metric_kernels import METRIC_NAMES, WeightedMetrics, sum_by_group
from spinefrac.evaluation.metrics import count_contributing_groups


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """First model minus second, with its paired 95 % interval and two-sided p over groups.

    `p_holm` is corrected for all pairs compared on this metric. All None where not defined.
    """

    value: float | None
    interval: Interval | None
    p: float | None
    p_holm: float | None


@dataclass(frozen=True, slots=True)
class DeLongTest:
    """Two correlated areas under the ROC curve and the test of their difference.

    `standard_error` is of `auc_first - auc_second`; `z` its ratio, `p` two-sided.
    """

    auc_first: float
    auc_second: float
    standard_error: float
    z: float
    p: float


@dataclass(frozen=True, slots=True)
class McNemarTest:
    """Slices that only one of two models predicted correctly, and a test of their difference.

    `p` is the exact test for independent slices; `p_groups` allows for correlated slices of a
    patient; use it where patients have several slices.
    """

    only_first: int
    only_second: int
    p: float
    p_groups: float


@dataclass(frozen=True, slots=True)
class PairComparison:
    """Comparison of two models; `conclusion` is the result in one sentence."""

    first: str
    second: str
    differences: dict[str, MetricDifference]
    delong: DeLongTest | None
    mcnemar: McNemarTest
    conclusion: str


def compare_models(
    y_true: npt.ArrayLike,
    y_scores: Mapping[str, npt.ArrayLike],
    groups: npt.ArrayLike,
    thresholds: Mapping[str, float],
    *,
    n_resamples: int = 2000,
    seed: int = 0,
) -> tuple[PairComparison, ...]:
    """Compare every pair of models on the same slices.

    Parameters
    ----------
    y_true, groups : array-like, shape (N,)
    y_scores : mapping of array-like, shape (N,)
        By the model's name, two at least, for the same slices in the same order.
    thresholds : mapping of float
        The operating point of each model.
    n_resamples, seed : int
        Of the group bootstrap, whose resamples all models share: the comparison is paired.

    Returns
    -------
    tuple of PairComparison
        One for each pair, in the order of `y_scores`.

    Raises
    ------
    DatasetError
        If there are fewer than two models, or one has no threshold.
    """
    names = list(y_scores)
    missing = [name for name in names if name not in thresholds]
    if len(names) < 2 or missing:
        raise DatasetError(
            f"Expected two or more models with a threshold each, got {len(names)} of which "
            f"{len(missing)} have none: choose more models, or evaluate these first."
        )
    inputs = {name: make_inputs(y_true, y_scores[name], groups) for name in names}
    one = inputs[names[0]]
    pairs = list(combinations(names, 2))
    table = _difference_table(inputs, thresholds, pairs, n_resamples, seed)
    results = []
    for index, (a, b) in enumerate(pairs):
        differences = {metric: table[metric][index] for metric in METRIC_NAMES}
        test = delong_test(y_true, y_scores[a], y_scores[b], groups)
        predicted = [inputs[name].y_score >= thresholds[name] for name in (a, b)]
        results.append(
            PairComparison(
                first=a,
                second=b,
                differences=differences,
                delong=test,
                mcnemar=mcnemar_test(y_true, predicted[0], predicted[1], groups),
                conclusion=_summarize_comparison(a, b, differences["auc"], len(pairs), one),
            )
        )
    return tuple(results)


def _difference_table(
    inputs: Mapping[str, EvaluationInputs],
    thresholds: Mapping[str, float],
    pairs: Sequence[tuple[str, str]],
    n_resamples: int,
    seed: int,
) -> dict[str, list[MetricDifference]]:
    """Return for each metric the differences of all pairs; resamples are shared by the models."""
    one = next(iter(inputs.values()))
    point, replicates = {}, {}
    for name, of in inputs.items():
        metrics = WeightedMetrics(of, thresholds[name])
        point[name] = metrics(np.ones((of.n_groups, 1)))
        replicates[name] = bootstrap(
            metrics, of.n_groups, n_slices=of.n_slices, n_resamples=n_resamples, seed=seed
        )
    return {
        metric: _metric_differences(
            [float(point[a][metric][0] - point[b][metric][0]) for a, b in pairs],
            [replicates[a][metric] - replicates[b][metric] for a, b in pairs],
            count_contributing_groups(one, metric),
        )
        for metric in METRIC_NAMES
    }


def delong_test(
    y_true: npt.ArrayLike,
    y_score_first: npt.ArrayLike,
    y_score_second: npt.ArrayLike,
    groups: npt.ArrayLike,
) -> DeLongTest | None:
    """Test the difference of two areas under the ROC curve on the same slices.

    DeLong, DeLong and Clarke-Pearson (1988), with the placement values from midranks as in
    Sun and Xu (2014), and the variance over groups of Obuchowski (1997), which is DeLong's
    own where every slice is a group by itself.

    Parameters
    ----------
    y_true, groups : array-like, shape (N,)
    y_score_first, y_score_second : array-like, shape (N,)
        The two models' scores; any real numbers.

    Returns
    -------
    DeLongTest or None
        None where a class has fewer than two groups, or where the areas differ without any
        variance to test against.
    """
    from scipy.special import ndtr

    scores = np.array(
        [np.asarray(y_score_first, np.float64), np.asarray(y_score_second, np.float64)]
    )
    inputs = make_inputs(y_true, np.zeros(scores.shape[1]), groups)
    if not np.isfinite(scores).all():
        raise DatasetError(
            "Expected finite scores to compare, got some that are not (NaN or infinite): "
            "evaluate the models again."
        )
    if not inputs.has_both_classes or count_contributing_groups(inputs, "auc") < 2:
        return None
    placements = np.array([_placement_values(inputs, row) for row in scores])  # (2, N)
    positive = inputs.y_true == 1
    auc = placements[:, positive].mean(axis=1)
    excess = placements - auc[:, None]
    over_positives = sum_by_group(inputs, excess * positive) / inputs.n_positives  # (2, G)
    over_negatives = sum_by_group(inputs, excess * ~positive) / inputs.n_negatives
    covariance = _obuchowski_covariance(inputs, over_positives, over_negatives)
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    # For two equal models rounding can make it slightly negative.
    error = max(variance, 0.0) ** 0.5
    gap = float(auc[0] - auc[1])
    if error < 1e-12:
        if abs(gap) > 1e-12:
            return None
        return DeLongTest(float(auc[0]), float(auc[1]), 0.0, 0.0, 1.0)
    z = gap / error
    return DeLongTest(float(auc[0]), float(auc[1]), error, z, 2.0 * float(ndtr(-abs(z))))


def mcnemar_test(
    y_true: npt.ArrayLike,
    y_pred_first: npt.ArrayLike,
    y_pred_second: npt.ArrayLike,
    groups: npt.ArrayLike,
) -> McNemarTest:
    """Test whether two models are correct equally often (McNemar, 1947).

    Parameters
    ----------
    y_true, groups : array-like, shape (N,)
    y_pred_first, y_pred_second : array-like of bool, shape (N,)
        Whether each model predicted fracture.

    Returns
    -------
    McNemarTest
        `p` from the exact binomial; `p_groups` from the squared sum of each group's surplus
        over the sum of their squares, chi-squared with one degree of freedom (Durkalski et
        al., 2003).
    """
    from scipy.special import chdtrc
    from scipy.stats import binomtest

    inputs = make_inputs(y_true, np.zeros(np.size(np.asarray(y_true))), groups)
    correct = [
        np.asarray(predicted, bool) == (inputs.y_true == 1)
        for predicted in (y_pred_first, y_pred_second)
    ]
    surplus = correct[0].astype(np.int64) - correct[1]
    only_first, only_second = int((surplus > 0).sum()), int((surplus < 0).sum())
    discordant = only_first + only_second
    p = float(binomtest(only_first, discordant).pvalue) if discordant else 1.0
    by_group = sum_by_group(inputs, [surplus])[0]
    spread = float((by_group**2).sum())
    p_groups = float(chdtrc(1, by_group.sum() ** 2 / spread)) if spread > 0 else 1.0
    return McNemarTest(only_first, only_second, p, p_groups)


def holm_correction(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for multiple tests (Holm, 1979), in the same order.

    Parameters
    ----------
    p_values : sequence of float

    Returns
    -------
    list of float
        Adjusted values, at most 1: those under a level may be rejected together at it.
    """
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted.tolist()


def _metric_differences(
    estimates: list[float], replicates: list[FloatArray], n_groups: int
) -> list[MetricDifference]:
    """Return the differences of all pairs in one metric, their p-values corrected together."""
    found = [
        difference_interval(p, d, n_groups) for p, d in zip(estimates, replicates, strict=True)
    ]
    corrected = iter(holm_correction([f[1] for f in found if f]))
    return [
        MetricDifference(p, f[0], f[1], next(corrected))
        if f
        else MetricDifference(p if np.isfinite(p) else None, None, None, None)
        for p, f in zip(estimates, found, strict=True)
    ]


def _placement_values(inputs: EvaluationInputs, y_score: FloatArray) -> FloatArray:
    """Return for each slice the share of the other class that it is ranked correctly against.

    Shape (N,), from midranks among all slices and among those of its class (Sun and Xu, 2014).
    """
    from scipy.stats import rankdata

    positive = inputs.y_true == 1
    overall = rankdata(y_score)
    result = np.empty(inputs.n_slices)
    result[positive] = (overall[positive] - rankdata(y_score[positive])) / inputs.n_negatives
    result[~positive] = (
        1.0 - (overall[~positive] - rankdata(y_score[~positive])) / inputs.n_positives
    )
    return result


def _obuchowski_covariance(
    inputs: EvaluationInputs, positive_sums: FloatArray, negative_sums: FloatArray
) -> FloatArray:
    """Return Obuchowski's covariance (2, 2) of two areas from sums over groups, (2, G) each."""
    with_fracture = count_contributing_groups(inputs, "recall")
    without = count_contributing_groups(inputs, "specificity")
    crossed = positive_sums @ negative_sums.T
    return (
        with_fracture / (with_fracture - 1) * positive_sums @ positive_sums.T
        + without / (without - 1) * negative_sums @ negative_sums.T
        + inputs.n_groups / (inputs.n_groups - 1) * (crossed + crossed.T)
    )


def _summarize_comparison(
    first: str, second: str, auc: MetricDifference, n_pairs: int, inputs: EvaluationInputs
) -> str:
    """Return in one sentence what the difference in AUC shows."""
    on = f"on {inputs.n_slices} slices of {inputs.n_groups} groups"
    if auc.value is None or auc.interval is None or auc.p is None or auc.p_holm is None:
        return (
            f"{first} and {second} cannot be compared: a comparison needs slices of both classes "
            f"from at least two groups each, and there are {inputs.n_slices} slices of "
            f"{inputs.n_groups} groups."
        )
    low, high = auc.interval
    better, worse = (first, second) if auc.value > 0 else (second, first)
    if auc.value < 0:
        low, high = -high, -low
    size = f"{abs(auc.value):.3f} (95 % CI {wording.format_interval((low, high))})"
    p = wording.format_p_value(auc.p_holm)
    if n_pairs > 1:
        p += f" after Holm's correction for {n_pairs} comparisons"
    ranks = f"than {worse}: its AUC is higher by {size}, {p}, {on}."
    if auc.p_holm < wording.SIGNIFICANCE_LEVEL:
        return f"{better} ranks slices better {ranks}"
    if auc.p < wording.SIGNIFICANCE_LEVEL:
        return f"After correction for {n_pairs} comparisons, {better} may not rank better {ranks}"
    return (
        f"No significant difference between {first} and {second}: the AUC of {better} is higher "
        f"by {size}, {p}, {on}; that does not show that they are equal."
    )
