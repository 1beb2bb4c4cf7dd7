"""Folds and hold-out sets of whole groups."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import chain, combinations

import numpy as np
import numpy.typing as npt

from spinefrac.data.pseudonyms import canonicalize_groups
from spinefrac.errors import DatasetError

#: Shuffles tried before a number of folds is given up: the greedy assignment of
#: `StratifiedGroupKFold` depends on the order of the groups.
MAX_ATTEMPTS = 12
#: More folds than this cost time without a benefit.
MAX_FOLDS = 50
#: Folds where nobody names a number, or fewer where these are too many.
DEFAULT_FOLDS = 5


def assign_folds(
    labels: npt.ArrayLike, groups: npt.ArrayLike, n_folds: int | None, seed: int
) -> npt.NDArray[np.int64]:
    """Assign every slice to the fold that holds it out.

    Stratified by label, whole groups only, shuffled by `seed`; the same arguments give the
    same folds. Every fold holds both classes, which `StratifiedGroupKFold` alone does not see
    to: where its greedy assignment leaves a fold empty or with one class, further shuffles
    are tried, in an order that depends on `seed` only.

    Parameters
    ----------
    labels : array of int, shape (N,)
        0 or 1.
    groups : array of str, shape (N,)
    n_folds : int or None
        2 … `MAX_FOLDS`; None for `DEFAULT_FOLDS`, or the most that work.
    seed : int

    Returns
    -------
    array of int64, shape (N,)
        Fold numbers 0 … folds-1.

    Raises
    ------
    DatasetError
        If no such folds are found. The message names the largest number of folds that works.

    Examples
    --------
    >>> labels, groups = [0, 0, 1, 1, 0, 1], ["a", "a", "b", "b", "c", "d"]
    >>> folds = assign_folds(labels, groups, n_folds=2, seed=0)
    >>> bool(folds[0] == folds[1]), bool(folds[2] == folds[3])  # a group is in one fold
    (True, True)
    """
    y, g = _validate_arrays(labels, groups)
    if n_folds is None:
        n_folds = _largest_valid_n_folds(y, g, DEFAULT_FOLDS + 1, seed) or DEFAULT_FOLDS
    if not 2 <= n_folds <= MAX_FOLDS:
        raise DatasetError(f"Expected 2 to {MAX_FOLDS} folds, got {n_folds}.")
    if n_folds <= _max_folds(y, g):
        for assigned in _iterate_assignments(y, g, n_folds, seed):
            if _every_fold_has_both_classes(y, assigned, n_folds):
                return assigned
    raise DatasetError(_explain_invalid_folds(y, g, n_folds, seed))


def check_folds(counts: Sequence[tuple[str, int, int]], n_folds: int | None, seed: int) -> int:
    """Raise where `assign_folds` would, knowing only what each group holds.

    Parameters
    ----------
    counts : sequence of (group, slices with a fracture, slices without)
    n_folds : int or None
        As in `assign_folds`.
    seed : int

    Returns
    -------
    int
        The number of folds.

    Raises
    ------
    DatasetError
        If no such folds are found. The message names the largest number of folds that works.
    """
    each = [(fracture, normal) for _, fracture, normal in counts]
    labels = np.concatenate([np.repeat([1, 0], pair) for pair in each] or [np.empty(0, np.int64)])
    groups = np.repeat([group for group, *_ in counts], [sum(pair) for pair in each])
    return count_folds(assign_folds(labels, groups, n_folds, seed))


def count_folds(assigned: npt.NDArray[np.int64]) -> int:
    """Return the number of folds of an assignment (N,)."""
    return int(assigned.max()) + 1


def select_holdout(
    labels: npt.ArrayLike, groups: npt.ArrayLike, fraction: float, seed: int
) -> npt.NDArray[np.bool_]:
    """Choose whole groups to hold out, both classes on either side.

    Parameters
    ----------
    labels : array of int, shape (N,)
    groups : array of str, shape (N,)
    fraction : float
        Share of the slices to hold out, between 0 and 0.5; met as nearly as groups allow.
    seed : int

    Returns
    -------
    array of bool, shape (N,)
        True where held out.

    Raises
    ------
    DatasetError
        If the groups allow no such set.
    """
    y, g = _validate_arrays(labels, groups)
    if not 0 < fraction <= 0.5:
        raise DatasetError(f"Expected a hold-out fraction above 0 and up to 0.5, got {fraction}.")
    parts = min(max(2, round(1 / fraction)), max(2, _max_folds(y, g)))
    if _max_folds(y, g) >= 2:
        for assigned in _iterate_assignments(y, g, parts, seed):
            masks = [assigned == part for part in range(parts)]
            if valid := [mask for mask in masks if _splits_classes(y, mask)]:
                return min(valid, key=lambda mask: abs(float(mask.mean()) - fraction))
        if valid := [mask for mask in _iterate_small_holdouts(g) if _splits_classes(y, mask)]:
            return min(valid, key=lambda mask: abs(float(mask.mean()) - fraction))
    raise DatasetError(
        "No group-wise hold-out has both classes on either side: "
        f"{_group_counts(y, g)}. Add groups, or train without early stopping."
    )


def _iterate_small_holdouts(g: npt.NDArray[np.str_]) -> Iterator[npt.NDArray[np.bool_]]:
    """Yield every hold-out of one or two groups; where any works, one of these does."""
    names = np.unique(g)
    for held in chain(combinations(names, 1), combinations(names, 2)):
        yield np.isin(g, held)


def _splits_classes(y: npt.NDArray[np.int64], mask: npt.NDArray[np.bool_]) -> bool:
    return _has_both_classes(y[mask]) and _has_both_classes(y[~mask])


def _validate_arrays(
    labels: npt.ArrayLike, groups: npt.ArrayLike
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.str_]]:
    """Return labels and groups as arrays of one length, both classes present."""
    y, g = np.asarray(labels, dtype=np.int64), np.asarray(groups, dtype=np.str_)
    if g.ndim == 1:
        g = np.asarray(canonicalize_groups(g.tolist()), dtype=np.str_)
    if y.shape != g.shape or y.ndim != 1:
        raise DatasetError(f"Expected one group a label, got shapes {y.shape} and {g.shape}.")
    if set(np.unique(y).tolist()) != {0, 1}:
        raise DatasetError("Expected slices of both classes, labels 0 and 1: add the other class.")
    return y, g


def _max_folds(y: npt.NDArray[np.int64], g: npt.NDArray[np.str_]) -> int:
    """Return a bound that no grouped split with both classes in every fold can pass."""
    return min(len(np.unique(g[y == label])) for label in (0, 1))


def _iterate_assignments(
    y: npt.NDArray[np.int64], g: npt.NDArray[np.str_], n_folds: int, seed: int
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield fold assignments (N,), the first shuffled by `seed` itself."""
    from sklearn.model_selection import StratifiedGroupKFold

    later = np.random.default_rng(seed).integers(0, 2**31 - 1, MAX_ATTEMPTS - 1).tolist()
    for state in [seed, *later]:
        assigned = np.empty(len(y), dtype=np.int64)
        splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=state)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a class rarer than the folds: checked by us
                for fold, (_, held_out) in enumerate(splitter.split(y, y, g)):
                    assigned[held_out] = fold
        except ValueError:  # more folds than members of every class
            return
        yield assigned


def _has_both_classes(y: npt.NDArray[np.int64]) -> bool:
    return bool((y == 0).any() and (y == 1).any())


def _every_fold_has_both_classes(
    y: npt.NDArray[np.int64], assigned: npt.NDArray[np.int64], n_folds: int
) -> bool:
    return all(_has_both_classes(y[assigned == fold]) for fold in range(n_folds))


def _largest_valid_n_folds(
    y: npt.NDArray[np.int64], g: npt.NDArray[np.str_], below: int, seed: int
) -> int:
    """Return the largest number of folds under `below` that works with `seed`, or 0."""
    for folds in range(min(below - 1, _max_folds(y, g)), 1, -1):
        if any(
            _every_fold_has_both_classes(y, a, folds)
            for a in _iterate_assignments(y, g, folds, seed)
        ):
            return folds
    return 0


def _explain_invalid_folds(
    y: npt.NDArray[np.int64], g: npt.NDArray[np.str_], n_folds: int, seed: int
) -> str:
    """Explain why the folds are not possible, and what is."""
    why = f"{n_folds} folds cannot each hold whole groups of both classes: {_group_counts(y, g)}."
    largest = _largest_valid_n_folds(y, g, n_folds, seed)
    if largest:
        return f"{why} Use {largest} folds, the most that works, or add groups (patients)."
    return (
        f"{why} No number of folds works: add groups (patients) of both classes, or, where the "
        "groups are wrong, name them in a patient column of labels.csv."
    )


def _group_counts(y: npt.NDArray[np.int64], g: npt.NDArray[np.str_]) -> str:
    """Count groups, in all and by class, for a message."""
    with_fracture, without = (len(np.unique(g[y == label])) for label in (1, 0))
    return (
        f"{len(np.unique(g))} groups, {with_fracture} with a fracture slice and "
        f"{without} with a normal one"
    )
