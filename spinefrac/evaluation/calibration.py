"""Temperature scaling: one number that calibrates the probabilities of a network."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spinefrac.errors import DatasetError
from spinefrac.evaluation.inputs import FloatArray, check_finite_array, check_labels

#: A temperature outside of it: the logits have no information, or separate the classes.
TEMPERATURE_RANGE = (0.01, 100.0)

#: Wherever the calibration of a model with several networks is described.
ENSEMBLE_NOTE = (
    "Out-of-fold predictions are those of single networks, and so are the metrics, the temperature "
    "and the threshold that come from them. The model predicts with the mean logit of its "
    "networks, which is less dispersed: it is usually better than these metrics, and slightly less "
    "confident than its accuracy would allow. Its own metrics are those of an external evaluation."
)


def sigmoid(logits: npt.ArrayLike) -> FloatArray:
    """Return the logistic function of logits of any shape, without overflow.

    SciPy's `expit` does the same, but serving does not import SciPy.
    """
    values = np.asarray(logits, dtype=np.float64)
    shrunk = np.exp(-np.abs(values))
    return np.where(values >= 0, 1.0, shrunk) / (1.0 + shrunk)


def apply_temperature(logits: npt.ArrayLike, temperature: float) -> FloatArray:
    """Turn logits into calibrated probabilities, sigmoid(logit / temperature).

    Parameters
    ----------
    logits : array-like, any shape
    temperature : float
        Above 0; above 1 it lowers the confidence.

    Returns
    -------
    float64 array, the shape of `logits`
        0…1, without overflow for any finite logit.

    Examples
    --------
    >>> apply_temperature([-2.0, 0.0, 2.0], temperature=2.0).round(3).tolist()
    [0.269, 0.5, 0.731]
    """
    return sigmoid(np.asarray(logits, dtype=np.float64) / temperature)


def fit_temperature(logits: npt.ArrayLike, y_true: npt.ArrayLike) -> float:
    """Fit the temperature that makes the labels most likely.

    The loss is convex in the inverse temperature; Newton's method within a bracket finds its
    minimum. The labels are smoothed by Platt's prior counts (1999), so
    that logits which separate the classes perfectly still have a finite temperature.

    Parameters
    ----------
    logits : array-like, shape (N,)
        Out-of-fold logits.
    y_true : array-like, shape (N,)
        0 or 1.

    Returns
    -------
    float
        Temperature, within `TEMPERATURE_RANGE`.

    Raises
    ------
    DatasetError
        If there is one class only, or a logit is not finite.

    References
    ----------
    Guo et al. (2017), "On calibration of modern neural networks".
    """
    y = check_labels(y_true)
    z = check_finite_array(logits, len(y), "logits")
    positives = int(y.sum())
    negatives = len(y) - positives
    if not positives or not negatives:
        raise DatasetError(
            f"Expected slices of both classes to calibrate on, got {positives} with and "
            f"{negatives} without a fracture: add slices of the missing class."
        )
    target = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    low, high = 1 / TEMPERATURE_RANGE[1], 1 / TEMPERATURE_RANGE[0]
    inverse = 1.0
    for _ in range(200):
        p = apply_temperature(z * inverse, 1.0)
        slope = float(np.dot(z, p - target))
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        curvature = float(np.dot(z * z, p * (1 - p)))
        step = inverse - slope / curvature if curvature > 0 else np.nan
        # Outside of the bracket, halve it on the logarithmic scale.
        following = step if low < step < high else float(np.sqrt(low * high))
        if abs(following - inverse) <= 1e-12 * inverse:
            break
        inverse = following
    return float(np.clip(1 / inverse, *TEMPERATURE_RANGE))


def cross_fit_probabilities(
    logits: npt.ArrayLike, y_true: npt.ArrayLike, folds: npt.ArrayLike
) -> FloatArray:
    """Calibrate each fold with the temperature of the others, so that its error is unbiased.

    Parameters
    ----------
    logits, y_true, folds : array-like, shape (N,)
        Out-of-fold logits, 0 or 1, and the fold of each slice.

    Returns
    -------
    float64 array, shape (N,)

    Raises
    ------
    DatasetError
        If there is one fold only, or the other folds hold one class only.
    """
    y = check_labels(y_true)
    z = check_finite_array(logits, len(y), "logits")
    fold_of = np.asarray(folds)
    names = np.unique(fold_of)
    if fold_of.shape != y.shape or len(names) < 2:
        raise DatasetError(
            f"Expected the fold of each of {len(y)} slices, at least two folds, got "
            f"{len(names)} in an array of shape {fold_of.shape}: pass the out-of-fold table."
        )
    result = np.empty(len(y))
    for name in names:
        held_out = fold_of == name
        result[held_out] = apply_temperature(
            z[held_out], fit_temperature(z[~held_out], y[~held_out])
        )
    return result
