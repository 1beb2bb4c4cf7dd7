"""Free-response ROC of scans: fractures that are marked, and false marks a scan."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from spinefrac.evaluation.inputs import FloatArray, IntArray
from spinefrac.evaluation.metric_kernels import safe_divide

#: Slices between two marks at least: a fracture extends over several, and is marked once.
MARK_DISTANCE = 3


@dataclass(frozen=True)
class ScanSlices:
    """The slices of scans with their predictions, scan by scan and in order.

    Attributes
    ----------
    scans, groups : str arrays, shape (N,)
        Scan and patient of each slice.
    labels : int64 array, shape (N,)
    is_own : bool array, shape (N,)
        Whether the label is the slice's own, and not that of its scan or level.
    scores : float64 array, shape (N,)
        Probability of fracture, 0…1.
    """

    scans: npt.NDArray[np.str_]
    groups: npt.NDArray[np.str_]
    labels: IntArray
    is_own: npt.NDArray[np.bool_]
    scores: FloatArray


@dataclass(frozen=True)
class FrocCurve:
    """A free-response ROC curve (Bunch et al., 1977).

    Attributes
    ----------
    false_alarms : float64 array, shape (T,)
        False marks a scan, ascending from 0.
    sensitivity : float64 array, shape (T,)
        Share of the fractures with a mark on one of their slices.
    """

    false_alarms: FloatArray
    sensitivity: FloatArray

    def find_sensitivity(self, rate: float) -> float:
        """Return the highest sensitivity with at most `rate` false marks a scan."""
        return float(self.sensitivity[self.false_alarms <= rate + 1e-9][-1])


def find_marks(scores: npt.ArrayLike) -> list[int]:
    """Return the slices of a scan that would be marked, the highest score first.

    Parameters
    ----------
    scores : array-like, shape (S,)
        In order; marks are `MARK_DISTANCE` slices apart at least.

    >>> find_marks([0.1, 0.8, 0.9, 0.7, 0.2, 0.6])
    [2, 5]
    """
    values = np.asarray(scores, np.float64)
    found: list[int] = []
    for index in np.argsort(-values, kind="stable").tolist():
        if all(abs(index - other) >= MARK_DISTANCE for other in found):
            found.append(index)
    return found


class FreeResponse:
    """Fractures and false marks of the scans in which every slice has a label of its own.

    A fracture is a run of neighbouring slices with the label. Its score is that of its highest
    mark; a mark on another slice is false.
    """

    def __init__(self, slices: ScanSlices) -> None:
        self.names, codes = np.unique(slices.groups, return_inverse=True)
        hits: list[tuple[float, int]] = []
        alarms: list[tuple[float, int]] = []
        self.n_scans = np.zeros(len(self.names))
        for rows in list_scan_rows(slices.scans):
            if not slices.is_own[rows].all():
                continue
            group = int(codes[rows[0]])
            self.n_scans[group] += 1
            scores, fractures = slices.scores[rows], _number_fractures(slices.labels[rows])
            best = np.full(fractures.max(initial=0) + 1, -np.inf)
            for mark in find_marks(scores):
                if fractures[mark]:
                    best[fractures[mark]] = max(best[fractures[mark]], scores[mark])
                else:
                    alarms.append((float(scores[mark]), group))
            hits += [(float(score), group) for score in best[1:]]
        self.hits = np.array(sorted(hits, reverse=True), np.float64).reshape(-1, 2)
        self.alarms = np.array(sorted(alarms, reverse=True), np.float64).reshape(-1, 2)

    def find_sensitivity(self, weights: FloatArray, rate: float) -> dict[str, FloatArray]:
        """Return the sensitivity at `rate` false marks a scan, for weights (G, R), as (R,)."""
        of_hits, of_alarms = (
            weights[marks[:, 1].astype(np.int64)] for marks in (self.hits, self.alarms)
        )
        allowed = np.cumsum(of_alarms, axis=0) <= rate * (self.n_scans @ weights) + 1e-9
        # The first mark that is one too many; fractures above it are found.
        limits = np.append(self.alarms[:, 0], -np.inf)[allowed.sum(axis=0)]
        found = (of_hits * (self.hits[:, :1] > limits)).sum(axis=0)
        return {"sensitivity_at_false_alarms": safe_divide(found, of_hits.sum(axis=0))}


def compute_froc(slices: ScanSlices) -> FrocCurve | None:
    """Return the free-response curve; None where no fracture's place is known."""
    marks = FreeResponse(slices)
    if not len(marks.hits):
        return None
    thresholds = np.unique(np.concatenate([marks.hits[:, 0], marks.alarms[:, 0]]))[::-1]
    thresholds = thresholds[np.isfinite(thresholds)]
    sensitivity, alarms = (
        [0.0, *((found[:, 0] >= t).sum() / total for t in thresholds)]
        for found, total in ((marks.hits, len(marks.hits)), (marks.alarms, marks.n_scans.sum()))
    )
    return FrocCurve(np.array(alarms), np.array(sensitivity))


def list_scan_rows(scans: npt.NDArray[np.str_]) -> list[npt.NDArray[np.int64]]:
    """Return the rows of each scan in order, for scans (N,) that lie one after the other."""
    return [
        np.array([row for row, _ in run], np.int64)
        for _, run in groupby(enumerate(scans), key=lambda pair: str(pair[1]))
    ]


def _number_fractures(labels: IntArray) -> IntArray:
    """Return the number of the fracture, from 1, that each slice (S,) shows; 0 for none."""
    starts = np.diff(labels, prepend=0) == 1
    return np.where(labels == 1, np.cumsum(starts), 0)
