"""Intervals by a bootstrap that draws whole groups, as patients are what is sampled.

Slices of one patient resemble each other; drawing slices one by one makes intervals far
too narrow (Field and Welsh, 2007, "Bootstrapping clustered data").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from spinefrac.evaluation.sample import FloatArray

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
        From weights (G, r) to named arrays (r,), such as `WeightedMetrics`.
    groups, rows, resamples, seed
        As in `resamples_of`.

    Returns
    -------
    dict of float64 arrays, shape (R,)
        NaN where a resample does not define the statistic.
    """
    blocks = [dict(statistic(w)) for w in resamples_of(groups, resamples, seed, rows=rows)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def percentile_interval(replicates: FloatArray, level: float = LEVEL) -> Interval | None:
    """Return the percentile interval (Efron, 1981) of the replicates that are defined.

    Returns
    -------
    (low, high), or None where fewer than half of the replicates are defined.
    """
    defined = replicates[np.isfinite(replicates)]
    if 2 * len(defined) < len(replicates) or not len(defined):
        return None
    tail = (1.0 - level) / 2
    low, high = np.quantile(defined, (tail, 1.0 - tail))
    return float(low), float(high)
