"""The median of many values, several times faster than that of NumPy."""

from __future__ import annotations

import numpy as np

from spinefrac.records import FloatImage


def median(values: FloatImage) -> float:
    """Return what `numpy.median` does.

    NumPy looks for the two middle values and for NaN in one partition, which processors cannot
    do in parallel; for one middle value they can.

    Parameters
    ----------
    values : float32 array, shape (N,)
        Finite, at least one.
    """
    middle = len(values) // 2
    parts = np.partition(values, middle)
    if len(values) % 2:
        return float(parts[middle])
    return float((parts[:middle].max() + parts[middle]) / 2)
