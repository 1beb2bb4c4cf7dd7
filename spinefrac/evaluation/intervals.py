"""Intervals by a bootstrap that draws whole groups, as patients are what is sampled.

Slices of one patient resemble each other; drawing slices one by one makes intervals far
too narrow (Field and Welsh, 2007, "Bootstrapping clustered data").

The bootstrap gives the standard error. Around it, percentile and BCa intervals (Efron,
1987) hold the truth too rarely for rates near 1 with a hundred patients, so a rate's interval
is made on the logit scale, where it cannot leave 0…1, with Student's t for the number of
groups that bear on it. `benchmarks/evaluation.py` measures how often the truth is inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from spinefrac.evaluation.inputs import FloatArray

Interval = tuple[float, float]

#: Share of repetitions in which an interval should hold the truth.
LEVEL = 0.95

#: Entries of a block of weights by slices: 8 MB, so that it stays in the cache.
_BLOCK = 1_000_000


def resamples_of(groups: int, resamples: int, seed: int, *, rows: int) -> Iterator[FloatArray]:
    """Draw `groups` groups with replacement, `resamples` times, in blocks.

    Parameters
    ----------
    groups : int
        Number of groups G.
    resamples : int
        Number of resamples R.
    seed : int
        The same seed gives the same resamples.
    rows : int
        Slices that a block will be spread over; decides how many columns it has.

    Yields
    ------
    float64 array, shape (G, r)
        How often each group was drawn; every column sums to G, and r adds up to R.
    """
    generator = np.random.default_rng(seed)
    width = max(1, _BLOCK // max(rows, groups))
    for start in range(0, resamples, width):
        columns = min(width, resamples - start)
        drawn = generator.integers(0, groups, size=(groups, columns))
        drawn *= columns
        drawn += np.arange(columns)
        counts = np.bincount(drawn.ravel(), minlength=groups * columns)
        yield counts.reshape(groups, columns).astype(np.float64)


def bootstrap(
    statistic: Callable[[FloatArray], Mapping[str, FloatArray]],
    groups: int,
    *,
    rows: int,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, FloatArray]:
    """Return every statistic on every resample of the groups.

    Parameters
    ----------
    statistic : callable
        From weights (G, r) to named arrays (…, r), such as `WeightedMetrics`.
    groups, rows, resamples, seed
        As in `resamples_of`.

    Returns
    -------
    dict of float64 arrays, shape (…, R)
        NaN where a resample does not define the statistic.
    """
    blocks = [dict(statistic(w)) for w in resamples_of(groups, resamples, seed, rows=rows)]
    return {name: np.concatenate([block[name] for block in blocks], axis=-1) for name in blocks[0]}


def rate_interval(
    point: float, replicates: FloatArray, groups: int, *, lowest: float = 0.0, highest: float = 1.0
) -> Interval | None:
    """Return the interval of something that lies between two bounds.

    Parameters
    ----------
    point : float
        The estimate.
    replicates : float64 array, shape (R,)
        The same on resamples of the groups, NaN where not defined.
    groups : int
        Groups that bear on it, g: for sensitivity, those with a fracture.
    lowest, highest : float
        The bounds.

    Returns
    -------
    (low, high), or None
        None for fewer than two groups, or where most replicates are not defined. At a bound,
        where no resample can differ, the other end is the exact one for g groups of which
        none (or each) failed, 1 - 0.025^(1/g) away (Clopper and Pearson, 1934; Hanley and
        Lippman-Hand, 1983).
    """
    error = standard_error(replicates, groups)
    if error is None or not np.isfinite(point):
        return None
    span = highest - lowest
    share = (point - lowest) / span
    # Within rounding of a bound, it is at the bound.
    if min(share, 1.0 - share) < 1e-12:
        reach = span * (1.0 - ((1.0 - LEVEL) / 2) ** (1.0 / groups))
        return (lowest, lowest + reach) if share < 0.5 else (highest - reach, highest)
    centre = np.log(share / (1.0 - share))
    half = _t_quantile(groups) * error / span / (share * (1.0 - share))
    low, high = (1.0 / (1.0 + np.exp(-np.clip([centre - half, centre + half], -700, 700)))).tolist()
    return lowest + span * low, lowest + span * high


def positive_interval(point: float, replicates: FloatArray, groups: int) -> Interval | None:
    """Return the interval of something above 0, made on the logarithmic scale.

    Parameters and result as in `rate_interval`.
    """
    error = standard_error(replicates, groups)
    if error is None or not point > 0.0:
        return None
    factor = float(np.exp(min(_t_quantile(groups) * error / point, 700.0)))
    return point / factor, point * factor


def difference_interval(
    point: float, replicates: FloatArray, groups: int
) -> tuple[Interval, float] | None:
    """Return the interval of a difference, and the p-value of its being zero (two-sided).

    Parameters as in `rate_interval`. Both come from the same t statistic with g - 1 degrees
    of freedom, so the interval excludes zero exactly where p < 0.05. Where every group shows
    the same difference there is no spread, and p is that of the sign test, 2^(1 - g).

    Returns
    -------
    ((low, high), p), or None
        None where `standard_error` is, and for too few groups that all agree.
    """
    from scipy.special import stdtr

    error = standard_error(replicates, groups)
    if error is None or not np.isfinite(point):
        return None
    if error < 1e-12:
        p = 1.0 if abs(point) < 1e-12 else 2.0 ** (1 - groups)
        agree = p == 1.0 or p < 1.0 - LEVEL
        return ((point, point), p) if agree else None
    half = _t_quantile(groups) * error
    return (point - half, point + half), 2.0 * float(stdtr(groups - 1, -abs(point) / error))


def percentile_interval(replicates: FloatArray) -> Interval | None:
    """Return the percentile interval (Efron, 1981) of the replicates that are defined.

    Returns
    -------
    (low, high), or None where fewer than half of the replicates are defined.
    """
    defined = _defined(replicates)
    if defined is None:
        return None
    tail = (1.0 - LEVEL) / 2
    low, high = np.quantile(defined, (tail, 1.0 - tail)).tolist()
    return low, high


def standard_error(replicates: FloatArray, groups: int) -> float | None:
    """Return the bootstrap's standard error, freed of its bias of (g - 1) / g in variance.

    None for fewer than two groups, or where fewer than half of the replicates are defined.
    """
    defined = _defined(replicates)
    if defined is None or groups < 2 or len(defined) < 2:
        return None
    return float(defined.std(ddof=1) * np.sqrt(groups / (groups - 1)))


def _defined(replicates: FloatArray) -> FloatArray | None:
    defined = replicates[np.isfinite(replicates)]
    return defined if len(defined) and 2 * len(defined) >= len(replicates) else None


def _t_quantile(groups: int) -> float:
    """Return how many standard errors an interval reaches with g - 1 degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(groups - 1, (1.0 + LEVEL) / 2))
