"""Scans of labels and scores, for tests of their metrics."""

import numpy as np

from spinefrac.evaluation.scans.free_response import ScanSlices

FRACTURED = ([0, 0, 1, 1, 1, 0, 0, 0], [0.1, 0.1, 0.2, 0.8, 0.3, 0.1, 0.1, 0.5])
NORMAL = ([0] * 8, [0.6, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])


def make_slices(*scans: tuple[list[int], list[float]], is_own: bool = True) -> ScanSlices:
    """Return scans of labels and scores, one a patient."""
    names = np.array([f"P{n}" for n, (labels, _) in enumerate(scans) for _ in labels])
    labels = np.concatenate([labels for labels, _ in scans])
    scores = np.concatenate([scores for _, scores in scans])
    return ScanSlices(names, names, labels, np.full(len(names), is_own), scores)
