"""Test of an error rate over groups, as a rule patients, for any correlation within them.

The errors of a model may be those of single patients who are wrong as a whole. Where few patients
were seen, no data can exclude that, so a patient's slices count as one observation: without an
error, at least `min_groups` patients are needed to show anything, however many slices they have.

References
----------
Gaffke (2005), "Three test statistics for a nonparametric one-sided hypothesis on the mean of a
nonnegative variable"; Learned-Miller and Thomas (2019), "A new confidence interval for the mean of
a bounded random variable". That the test holds for every distribution is not proven, but no
exception is known; `benchmarks/abstention_band.py` measures it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spinefrac.evaluation.inputs import FloatArray

#: Draws of random weights: the standard error of a p-value of 0.1 is at most 0.004.
_N_DRAWS = 5_000

#: Weights of one block: 8 MB.
_MAX_BLOCK_ELEMENTS = 1_000_000

#: Above this the number of groups that would be needed is not told.
_MAX_GROUPS_NEEDED = 10_000


def min_groups(acceptable_error_rate: float, confidence_level: float) -> int:
    """Return how many groups the test needs at least, even if nothing is wrong.

    With fewer, `(1 - acceptable_error_rate) ** n_groups` is above `1 - confidence_level`: so
    often no patient of a sample is wrong, although slightly more than the acceptable share of all
    patients are.

    Examples
    --------
    >>> min_groups(0.05, 0.9), min_groups(0.1, 0.9)
    (45, 22)
    """
    return int(np.ceil(np.log(1.0 - confidence_level) / np.log(1.0 - acceptable_error_rate)))


def effective_groups(slices: npt.ArrayLike) -> float:
    """Return the number of groups of equal size that count as much (Kish, 1965).

    Parameters
    ----------
    slices : array-like, shape (G,)
        Slices of each group.

    Examples
    --------
    >>> effective_groups([5, 5, 5, 0]), round(effective_groups([100, 1, 1]), 3)
    (3.0, 1.04)
    """
    sizes = np.asarray(slices, np.float64)
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def error_rate_p_values(
    errors: FloatArray, slices: FloatArray, acceptable_error_rate: float
) -> FloatArray:
    """Return the p-values of the hypothesis that more than the acceptable share is wrong.

    Random weights, uniform on the simplex, are given to the groups and to one more, as large as
    the group of an average slice, whose slices are all wrong; the p-value is how often the weighted
    share of errors reaches the acceptable one (Gaffke's bound). Where every group is right or
    wrong as a whole, this is the exact binomial p-value.

    Parameters
    ----------
    errors, slices : float64 arrays, shape (G, T)
        Wrong and all slices of each group, for T sets of slices.
    acceptable_error_rate : float

    Returns
    -------
    float64 array, shape (T,)
        1 where a set is empty.
    """
    return _p_values(errors, slices, acceptable_error_rate, multiplicity=1.0)


def count_groups_needed(
    errors: FloatArray, slices: FloatArray, acceptable_error_rate: float, confidence_level: float
) -> int | None:
    """Return about how many groups like these the test needs to succeed.

    Parameters
    ----------
    errors, slices : float64 arrays, shape (G,)
        Wrong and all slices of each group.
    acceptable_error_rate, confidence_level : float

    Returns
    -------
    int or None
        At least `min_groups`, and more than G. None where too many are wrong.
    """
    if errors.sum() >= acceptable_error_rate * slices.sum():
        return None
    needed = max(min_groups(acceptable_error_rate, confidence_level), len(errors) + 1)
    while needed <= _MAX_GROUPS_NEEDED:
        p_value = _p_values(
            errors[:, None], slices[:, None], acceptable_error_rate, needed / len(errors)
        )
        if p_value[0] <= 1.0 - confidence_level:
            return needed
        needed = int(np.ceil(1.05 * needed))
    return None


def _p_values(
    errors: FloatArray, slices: FloatArray, acceptable_error_rate: float, multiplicity: float
) -> FloatArray:
    """Return the p-values (T,) if each group had been seen `multiplicity` times."""
    surplus = errors - acceptable_error_rate * slices  # errors beyond the acceptable ones, (G, T)
    sizes = (slices**2).sum(axis=0) / np.maximum(slices.sum(axis=0), 1.0)
    worst = np.maximum(sizes * (1.0 - acceptable_error_rate), 1e-300)
    generator = np.random.default_rng(0)
    rows = max(1, _MAX_BLOCK_ELEMENTS // len(errors))
    total = np.zeros(slices.shape[1])
    for start in range(0, _N_DRAWS, rows):
        # The weight of a group is exponential; that of c equal groups together a gamma of shape c.
        size = (min(rows, _N_DRAWS - start), len(errors))
        weighted = generator.gamma(multiplicity, size=size) @ surplus  # (draws, T)
        # The chance that the additional group's exponential weight reaches the acceptable share.
        total += np.exp(np.minimum(weighted, 0.0) / worst).sum(axis=0)
    return np.where(slices.sum(axis=0) > 0, total / _N_DRAWS, 1.0)
