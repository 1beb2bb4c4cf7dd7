"""Validated labels, probabilities and groups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from spinefrac.errors import DatasetError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class EvaluationInputs:
    """Labels and probabilities of N slices of G groups.

    Attributes
    ----------
    y_true : int64 array, shape (N,)
        1 for fracture, 0 for none.
    y_score : float64 array, shape (N,)
        Probability of fracture, 0…1.
    group_codes : int64 array, shape (N,)
        The group of each slice, 0…G-1.
    group_names : str array, shape (G,)
        The name of each group, in the order in which the groups themselves sort.
    """

    y_true: IntArray
    y_score: FloatArray
    group_codes: IntArray
    group_names: npt.NDArray[np.str_]

    @property
    def n_slices(self) -> int:
        """Number of slices N."""
        return len(self.y_true)

    @property
    def n_groups(self) -> int:
        """Number of groups G."""
        return len(self.group_names)

    @cached_property
    def n_positives(self) -> int:
        """Number of slices with a fracture."""
        return int(self.y_true.sum())

    @property
    def n_negatives(self) -> int:
        """Number of slices without one."""
        return self.n_slices - self.n_positives

    @property
    def has_both_classes(self) -> bool:
        """Whether there is at least one slice of each class."""
        return 0 < self.n_positives < self.n_slices


def make_inputs(
    y_true: npt.ArrayLike, y_score: npt.ArrayLike, groups: npt.ArrayLike | None = None
) -> EvaluationInputs:
    """Validate three arrays of one length.

    Parameters
    ----------
    y_true : array-like, shape (N,)
        0 or 1, or booleans.
    y_score : array-like, shape (N,)
        Finite, 0…1.
    groups : array-like, shape (N,), optional
        Group of each slice, as a rule the patient; each slice is its own group if not given.

    Returns
    -------
    EvaluationInputs

    Raises
    ------
    DatasetError
        If the arrays are empty, of different lengths, or hold anything else.
    """
    label_array = check_labels(y_true)
    n = len(label_array)
    scores = check_finite_array(y_score, n, "probabilities")
    if scores.min() < 0.0 or scores.max() > 1.0:
        raise DatasetError(
            f"Expected probabilities between 0 and 1, got {scores.min():g} to {scores.max():g}: "
            "pass probabilities, not logits (calibration.apply_temperature converts them)."
        )
    group_array = np.arange(n) if groups is None else np.asarray(groups)
    if group_array.shape != (n,):
        raise DatasetError(
            f"Expected one group for each of {n} labels, got shape {group_array.shape}: "
            "pass one-dimensional arrays of the same length."
        )
    names, codes = np.unique(group_array, return_inverse=True)
    return EvaluationInputs(label_array, scores, codes.astype(np.int64), names.astype(np.str_))


def check_labels(y_true: npt.ArrayLike) -> IntArray:
    """Return `y_true` as int64, shape (N,), after checking that they are 0 and 1.

    Raises
    ------
    DatasetError
        If they are empty, not one-dimensional, or hold anything but 0 and 1.
    """
    array = np.asarray(y_true)
    if array.ndim != 1 or array.size == 0:
        raise DatasetError(
            f"Expected a one-dimensional array of at least one label, got shape {array.shape}: "
            "pass one label (0 or 1) for each slice."
        )
    if array.dtype.kind not in "buif" or not np.isin(array, (0, 1)).all():
        raise DatasetError(
            f"Expected labels 0 (no fracture) and 1 (fracture), got {np.unique(array)[:5]}: "
            "map the class names to 0 and 1 first."
        )
    return array.astype(np.int64)


def check_finite_array(values: npt.ArrayLike, expected_length: int, input_name: str) -> FloatArray:
    """Return `values` as float64, shape (n,), after checking that all are finite.

    Raises
    ------
    DatasetError
        If there are not `expected_length` of them, or one is not a finite number.
    """
    array = np.asarray(values)
    if array.shape != (expected_length,) or array.dtype.kind not in "buif":
        raise DatasetError(
            f"Expected {expected_length} {input_name}, one number for each label, got "
            f"{array.dtype} of shape {array.shape}: pass one-dimensional arrays of the same length."
        )
    array = array.astype(np.float64)
    bad = int(np.count_nonzero(~np.isfinite(array)))
    if bad:
        raise DatasetError(
            f"Expected finite {input_name}, got {bad} of {expected_length} that are not (NaN or "
            "infinite): the predictions on these slices are invalid; train or export the model "
            "again."
        )
    return array
