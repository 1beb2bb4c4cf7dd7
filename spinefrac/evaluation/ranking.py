"""Pairs of a slice with and a slice without a fracture, and the AUC that they give."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spinefrac.evaluation.inputs import FloatArray, IntArray


class PairRanking:
    """Pairs of slices in the right order, for any weights of the groups.

    Parameters
    ----------
    y_true : int array, shape (N,)
        0 or 1.
    y_score : float array, shape (N,)
        Any finite number; higher for fracture.
    group_codes : int array, shape (N,)
        The group of each slice, 0…G-1.

    References
    ----------
    Hanley and McNeil (1982), "The meaning and use of the area under a ROC curve".
    """

    def __init__(self, y_true: IntArray, y_score: FloatArray, group_codes: IntArray) -> None:
        positive = y_true == 1
        order = np.argsort(y_score[~positive], kind="stable")
        negatives = y_score[~positive][order]
        self._positive_codes = group_codes[positive]
        self._negative_codes = group_codes[~positive][order]
        self._n_below = np.searchsorted(negatives, y_score[positive], side="left")
        self._n_below_or_tied = np.searchsorted(negatives, y_score[positive], side="right")

    def count_negatives(
        self, weights: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return the weighted negatives below each positive.

        Parameters
        ----------
        weights : float64 array, shape (G, R)
            How often each group counts in each of R resamples.

        Returns
        -------
        positives : float64 array, shape (P, R)
            Weight of each positive, in the order of the input.
        below, below_or_tied : float64 arrays, shape (P, R)
        total : float64 array, shape (R,)
            All negatives.
        """
        counts = np.zeros((len(self._negative_codes) + 1, weights.shape[1]))
        np.cumsum(weights[self._negative_codes], axis=0, out=counts[1:])
        positives = weights[self._positive_codes]
        return positives, counts[self._n_below], counts[self._n_below_or_tied], counts[-1].copy()

    def __call__(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the pairs in the right order (ties count half) and all pairs, each (R,)."""
        positives, below, below_or_tied, total = self.count_negatives(weights)
        ordered = np.einsum("pr,pr->r", positives, below + below_or_tied) / 2
        return ordered, positives.sum(axis=0) * total


def roc_auc(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> float | None:
    """Return the area under the ROC curve, ties counted half; None where a class is missing.

    Parameters
    ----------
    y_true : array-like, shape (N,)
        0 or 1.
    y_score : array-like, shape (N,)
        Probabilities, logits or any other number that is higher for fracture.

    Examples
    --------
    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    labels, scores = np.asarray(y_true), np.asarray(y_score, np.float64)
    ranking = PairRanking(labels, scores, np.zeros(len(labels), np.int64))
    ordered, pairs = ranking(np.ones((1, 1)))
    return float(ordered[0] / pairs[0]) if pairs[0] else None
