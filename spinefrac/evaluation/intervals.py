"""Confidence intervals by a bootstrap over whole groups, as a rule patients.

Slices of one patient are correlated; drawing single slices makes intervals far too narrow (Field
and Welsh, 2007, "Bootstrapping clustered data").

The bootstrap gives the standard error and the skewness. Percentile and BCa intervals (Efron, 1987)
have too low a coverage for rates near 1 with a hundred patients, so the interval of a rate is
computed on the logit scale, where it cannot leave 0…1, with Student's t. With 10 to 40 patients
three things matter in addition: few groups estimate their own variance badly, so a prior variance
moderates it (Smyth, 2004); a few bad patients make the errors skewed, which moves both ends (Hall,
1992); and a rate of exactly 0 or 1 has no spread at all, so its interval is the exact one.
`benchmarks/evaluation.py` measures the coverage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from spinefrac.evaluation.calibration import sigmoid
from spinefrac.evaluation.inputs import FloatArray

Interval = tuple[float, float]

#: Nominal coverage of an interval.
CONFIDENCE_LEVEL = 0.95

#: Prior variance of one group's mean, as a share of the largest possible, p (1 - p): of a rate, and
#: of a metric that is averaged over pairs or over probabilities, such as the AUC.
RATE_GROUP_VARIANCE, AVERAGED_GROUP_VARIANCE = 0.2, 0.06

#: How many groups the prior variance counts as.
_PRIOR_GROUPS = 3

#: Part of Hall's correction for skewness that remains on the logit scale, and its largest size, in
#: standard errors: the skewness of few groups is itself uncertain.
_SKEWNESS_SHARE, _MAX_SKEWNESS_SHIFT = 0.5, 0.8

#: Entries of a block of weights by slices: 8 MB, so that it stays in the cache.
_MAX_BLOCK_ELEMENTS = 1_000_000


def draw_group_resamples(
    n_groups: int, n_resamples: int, seed: int, *, n_slices: int
) -> Iterator[FloatArray]:
    """Draw `n_groups` groups with replacement, `n_resamples` times, in blocks.

    Parameters
    ----------
    n_groups : int
        Number of groups G.
    n_resamples : int
        Number of resamples R.
    seed : int
        The same seed gives the same resamples.
    n_slices : int
        Slices of all groups; limits the columns of a block.

    Yields
    ------
    float64 array, shape (G, r)
        How often each group was drawn; every column sums to G, and r adds up to R.
    """
    generator = np.random.default_rng(seed)
    width = max(1, _MAX_BLOCK_ELEMENTS // max(n_slices, n_groups))
    for start in range(0, n_resamples, width):
        columns = min(width, n_resamples - start)
        drawn = generator.integers(0, n_groups, size=(n_groups, columns))
        drawn *= columns
        drawn += np.arange(columns)
        counts = np.bincount(drawn.ravel(), minlength=n_groups * columns)
        yield counts.reshape(n_groups, columns).astype(np.float64)


def bootstrap(
    statistic: Callable[[FloatArray], Mapping[str, FloatArray]],
    n_groups: int,
    *,
    n_slices: int,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, FloatArray]:
    """Return every statistic on every resample of the groups.

    Parameters
    ----------
    statistic : callable
        From weights (G, r) to named arrays (…, r), such as `WeightedMetrics`.
    n_groups, n_slices, n_resamples, seed
        As in `draw_group_resamples`.

    Returns
    -------
    dict of float64 arrays, shape (…, R)
        NaN where a resample does not define the statistic.
    """
    blocks = [
        dict(statistic(w))
        for w in draw_group_resamples(n_groups, n_resamples, seed, n_slices=n_slices)
    ]
    return {name: np.concatenate([block[name] for block in blocks], axis=-1) for name in blocks[0]}


def rate_interval(
    estimate: float,
    replicates: FloatArray,
    n_groups: int,
    *,
    lower_bound: float = 0.0,
    upper_bound: float = 1.0,
    group_variance: float = RATE_GROUP_VARIANCE,
) -> Interval | None:
    """Return the interval of a quantity between two bounds.

    Parameters
    ----------
    estimate : float
        The estimate.
    replicates : float64 array, shape (R,)
        The same on resamples of the groups, NaN where not defined.
    n_groups : int
        Groups that contribute to it, g: for sensitivity, those with a fracture.
    lower_bound, upper_bound : float
        The bounds.
    group_variance : float
        Prior variance of one group, as `RATE_GROUP_VARIANCE`.

    Returns
    -------
    (low, high), or None
        None for fewer than two groups, or where most replicates are not defined. At a bound,
        where no resample can differ, the other end is the exact one for g groups of which
        none (or each) failed, 1 - 0.025^(1/g) away (Clopper and Pearson, 1934; Hanley and
        Lippman-Hand, 1983).
    """
    error = standard_error(replicates, n_groups)
    if error is None or not np.isfinite(estimate):
        return None
    span = upper_bound - lower_bound
    share = (estimate - lower_bound) / span
    # Within rounding of a bound, it is at the bound.
    if min(share, 1.0 - share) < 1e-12:
        reach = span * (1.0 - ((1.0 - CONFIDENCE_LEVEL) / 2) ** (1.0 / n_groups))
        return (
            (lower_bound, lower_bound + reach)
            if share < 0.5
            else (upper_bound - reach, upper_bound)
        )
    largest_variance = share * (1.0 - share)
    degrees = n_groups - 1 + _PRIOR_GROUPS
    prior = group_variance * largest_variance / n_groups
    variance = ((n_groups - 1) * (error / span) ** 2 + _PRIOR_GROUPS * prior) / degrees
    scale = np.sqrt(variance) / largest_variance  # by the delta method, on the logit scale
    centre = np.log(share / (1.0 - share)) + scale * _skewness_shift(replicates)
    half = scale * _t_quantile(degrees)
    low, high = sigmoid([centre - half, centre + half]).tolist()
    return lower_bound + span * low, lower_bound + span * high


def log_scale_interval(estimate: float, replicates: FloatArray, n_groups: int) -> Interval | None:
    """Return the interval of a quantity above 0, computed on the logarithmic scale.

    Parameters and result as in `rate_interval`.
    """
    error = standard_error(replicates, n_groups)
    if error is None or not estimate > 0.0:
        return None
    factor = float(np.exp(min(_t_quantile(n_groups - 1) * error / estimate, 700.0)))
    return estimate / factor, estimate * factor


def difference_interval(
    estimate: float, replicates: FloatArray, n_groups: int
) -> tuple[Interval, float] | None:
    """Return the interval of a difference, and the two-sided p-value of the test of zero.

    Parameters as in `rate_interval`. Both come from the same t statistic with g - 1 degrees
    of freedom, so the interval excludes zero exactly where p < 0.05. Where every group shows
    the same difference there is no spread, and p is that of the sign test, 2^(1 - g).

    Returns
    -------
    ((low, high), p), or None
        None where `standard_error` is, and for too few groups that all agree.
    """
    from scipy.special import stdtr

    error = standard_error(replicates, n_groups)
    if error is None or not np.isfinite(estimate):
        return None
    if error < 1e-12:
        p = 1.0 if abs(estimate) < 1e-12 else 2.0 ** (1 - n_groups)
        agree = p == 1.0 or p < 1.0 - CONFIDENCE_LEVEL
        return ((estimate, estimate), p) if agree else None
    half = _t_quantile(n_groups - 1) * error
    return (estimate - half, estimate + half), 2.0 * float(
        stdtr(n_groups - 1, -abs(estimate) / error)
    )


def percentile_interval(replicates: FloatArray) -> Interval | None:
    """Return the percentile interval (Efron, 1981) of the replicates that are defined.

    Returns
    -------
    (low, high), or None where fewer than half of the replicates are defined.
    """
    defined = _finite_replicates(replicates)
    if defined is None:
        return None
    tail = (1.0 - CONFIDENCE_LEVEL) / 2
    low, high = np.quantile(defined, (tail, 1.0 - tail)).tolist()
    return low, high


def standard_error(replicates: FloatArray, n_groups: int) -> float | None:
    """Return the bootstrap standard error, corrected for its bias of (g - 1) / g in variance.

    None for fewer than two groups, or where fewer than half of the replicates are defined.
    """
    defined = _finite_replicates(replicates)
    if defined is None or n_groups < 2 or len(defined) < 2:
        return None
    return float(defined.std(ddof=1) * np.sqrt(n_groups / (n_groups - 1)))


def _finite_replicates(replicates: FloatArray) -> FloatArray | None:
    defined = replicates[np.isfinite(replicates)]
    return defined if len(defined) and 2 * len(defined) >= len(replicates) else None


def _skewness_shift(replicates: FloatArray) -> float:
    """Return how far skewness moves an interval, in standard errors.

    Hall (1992, "The bootstrap and Edgeworth expansion"), section 3.6: the quantiles of a
    studentized mean move by skewness (2 z² + 1) / 6.
    """
    defined = replicates[np.isfinite(replicates)]
    deviations = defined - defined.mean()
    spread = float(deviations.std())
    if spread <= 0.0:
        return 0.0
    skewness = float((deviations**3).mean()) / spread**3
    z = _t_quantile(np.inf)
    shift = _SKEWNESS_SHARE * skewness * (2.0 * z**2 + 1.0) / 6.0
    return float(np.clip(shift, -_MAX_SKEWNESS_SHIFT, _MAX_SKEWNESS_SHIFT))


def _t_quantile(degrees_of_freedom: float) -> float:
    """Return half the width of an interval in standard errors."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees_of_freedom, (1.0 + CONFIDENCE_LEVEL) / 2))
