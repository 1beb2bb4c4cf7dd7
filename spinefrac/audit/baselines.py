"""Baselines: a linear model on thumbnails, or on storage and brightness.

It is ridge regression of the label on standardised features, solved from sums over each fold,
so that every fold and every shuffle of the labels costs one small linear system and memory
does not grow with the folds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spinefrac.audit.report import Baseline
from spinefrac.data.splits import assign_folds
from spinefrac.errors import DatasetError
from spinefrac.evaluation.intervals import draw_group_resamples, rate_interval
from spinefrac.evaluation.ranking import PairRanking

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

N_FOLDS = 5
#: With so many groups at most, each is a fold of its own.
MAX_LEAVE_ONE_OUT_GROUPS = 10
#: Ridge penalty, in units of the features' variance.
RIDGE_ALPHA = 0.1
#: Resamples of the groups for an interval.
N_RESAMPLES = 400


def naive_folds(labels: IntArray, seed: int = 0) -> IntArray:
    """Assign slices to stratified folds at random, without regard to groups, (N,)."""
    generator = np.random.default_rng(seed)
    folds = np.empty(len(labels), dtype=np.int64)
    for label in (0, 1):
        rows = np.flatnonzero(labels == label)
        folds[generator.permutation(rows)] = np.arange(len(rows)) % N_FOLDS
    return folds


def grouped_folds(labels: IntArray, groups: npt.NDArray[np.str_], seed: int = 0) -> IntArray:
    """Assign whole groups to folds, (N,): each its own where they are few.

    Where no grouped folds hold both classes, groups are assigned by size.
    """
    names, codes = np.unique(groups, return_inverse=True)
    if len(names) <= MAX_LEAVE_ONE_OUT_GROUPS:
        return codes.astype(np.int64)
    for folds in range(N_FOLDS, 1, -1):
        try:
            return assign_folds(labels, groups, folds, seed)
        except DatasetError:  # too few groups of a class for so many
            continue
    by_size = np.argsort(-np.bincount(codes), kind="stable")
    fold_of = np.empty(len(names), dtype=np.int64)
    fold_of[by_size] = np.arange(len(names)) % N_FOLDS
    return fold_of[codes]


def predict_out_of_fold(
    features: npt.NDArray[Any], targets: FloatArray, folds: IntArray
) -> FloatArray:
    """Return the out-of-fold score of each slice.

    Parameters
    ----------
    features : array of any numbers, shape (N, D)
    targets : float64 array, shape (N, T)
        Labels, and any number of shuffles of them.
    folds : int64 array, shape (N,)

    Returns
    -------
    float64 array, shape (N, T)
        Not a number where there is one fold only.
    """
    numbers = np.unique(folds)
    if len(numbers) < 2:  # nothing to fit on
        return np.full(targets.shape, np.nan)
    sums = [_sufficient_statistics(features, targets, folds == number) for number in numbers]
    totals = [np.sum([part[i] for part in sums], axis=0) for i in range(5)]
    scores = np.empty(targets.shape)
    for number, part in zip(numbers, sums, strict=True):
        n, total, gram, answer, crossed = (t - p for t, p in zip(totals, part, strict=True))
        mean = total / n
        spread = np.sqrt(np.maximum(np.diag(gram) / n - mean**2, 0.0))
        scale = np.where(spread > 1e-6, spread, np.inf)  # a constant feature counts nothing
        covariance = (gram / n - np.outer(mean, mean)) / np.outer(scale, scale)
        slope = (crossed / n - np.outer(mean, answer / n)) / scale[:, None]
        weights = np.linalg.solve(covariance + RIDGE_ALPHA * np.eye(len(mean)), slope)
        held_out = folds == number
        # In the order of the features themselves: no standardised copy is made.
        slopes = weights / scale[:, None]
        scores[held_out] = features[held_out] @ slopes + (answer / n - mean @ slopes)
    return scores


def _sufficient_statistics(
    features: npt.NDArray[Any], targets: FloatArray, rows: npt.NDArray[np.bool_]
) -> tuple[Any, ...]:
    """Return count, sum, Gram matrix, targets' sum and cross products of some rows."""
    x, y = features[rows].astype(np.float64), targets[rows]
    return np.float64(len(x)), x.sum(axis=0), x.T @ x, y.sum(axis=0), x.T @ y


def score_baseline(
    y_true: IntArray,
    y_score: FloatArray,
    folds: IntArray,
    groups: npt.NDArray[np.str_],
    *,
    resamples: int = N_RESAMPLES,
) -> Baseline:
    """Return the AUC of out-of-fold scores, with its interval over groups.

    A fracture slice is compared with the normal ones of its own fold, because models of
    different folds start from different base rates. Where no fold has both classes, all are
    compared with all. `Baseline.within` compares slices of one group only: there, recognising the
    patient does not help.

    Parameters
    ----------
    y_true, folds, groups : arrays, shape (N,)
    y_score : float64 array, shape (N,)
    resamples : int
        0 for no interval.
    """
    _, codes = np.unique(groups, return_inverse=True)
    count = int(codes.max()) + 1
    parts = [folds == number for number in np.unique(folds)]
    mixed = [part for part in parts if 0 < y_true[part].sum() < part.sum()]
    ranks = [
        PairRanking(y_true[part], y_score[part], codes[part])
        for part in (mixed or [np.ones(len(y_true), dtype=bool)])
    ]
    auc = float(_auc(ranks, np.ones((count, 1)))[0])
    within = _within_group_auc(y_true, y_score, codes)
    if not np.isfinite(auc):
        return Baseline(None, None, within)
    bearing = min(len(np.unique(codes[y_true == label])) for label in (0, 1))
    if not resamples or bearing < 2:
        return Baseline(auc, None, within)
    drawn = [
        _auc(ranks, weights)
        for weights in draw_group_resamples(count, resamples, seed=0, n_slices=len(y_true))
    ]
    return Baseline(auc, rate_interval(auc, np.concatenate(drawn), bearing), within)


def _within_group_auc(y_true: IntArray, y_score: FloatArray, codes: IntArray) -> float | None:
    """Return the AUC over pairs of slices of one group; None where no group has both classes."""
    order = np.argsort(codes, kind="stable")
    borders = np.flatnonzero(np.diff(codes[order])) + 1
    won = pairs = 0.0
    for rows in np.split(order, borders):
        if 0 < y_true[rows].sum() < len(rows):
            alone = np.zeros(len(rows), dtype=np.int64)
            ordered, here = PairRanking(y_true[rows], y_score[rows], alone)(np.ones((1, 1)))
            won, pairs = won + float(ordered[0]), pairs + float(here[0])
    return won / pairs if pairs else None


def _auc(ranks: list[PairRanking], weights: FloatArray) -> FloatArray:
    """Return the AUC over folds for weights (G, R), shape (R,), NaN where not defined."""
    won, pairs = np.sum([part(weights) for part in ranks], axis=0)
    return np.divide(won, pairs, out=np.full(len(won), np.nan), where=pairs > 0)
