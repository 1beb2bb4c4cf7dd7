"""Temperature and threshold of a model for another site, from a few labelled slices of it.

What the new values are worth is measured on patients that they were not fitted to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac.errors import DatasetError
from spinefrac.evaluation import operating_point
from spinefrac.evaluation.calibration import apply_temperature, fit_temperature
from spinefrac.evaluation.inputs import EvaluationInputs, FloatArray, make_inputs
from spinefrac.evaluation.intervals import Interval, percentile_interval
from spinefrac.evaluation.metric_kernels import log_loss_per_slice
from spinefrac.evaluation.operating_point import OperatingPoint
from spinefrac.records import Count, NotNegative, Sha256, Share

#: With fewer patients of each class, every fold of `LEAST_GROUPS` would lack one.
LEAST_GROUPS = 4
_RESAMPLES = 300
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class SiteMetrics:
    """Log loss, sensitivity and specificity at one site."""

    log_loss: NotNegative
    sensitivity: Share
    specificity: Share


@dataclass(frozen=True, slots=True)
class Recalibration:
    """How a model was fitted to another site.

    Attributes
    ----------
    fingerprint : str
        Of the labelled slices of the site.
    slices, groups, fracture : int
        Labelled slices, their patients, and those with a fracture.
    temperature_ci, threshold_ci : (low, high) or None
        95 %, over patients.
    before, after : SiteMetrics
        With the values of the model it came from, and with new ones that were fitted to other
        patients of the site each.
    """

    fingerprint: Sha256
    slices: Count
    groups: Count
    fracture: Count
    temperature_ci: Interval | None
    threshold_ci: Interval | None
    before: SiteMetrics
    after: SiteMetrics


def fit_site(
    logits: npt.ArrayLike,
    y_true: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    temperature: float,
    threshold: float,
    rule: str,
    fingerprint: str,
    seed: int = 0,
) -> tuple[float, OperatingPoint, Recalibration]:
    """Fit temperature and threshold to the labelled slices of a site.

    Parameters
    ----------
    logits, y_true, groups : array-like, shape (N,)
        Mean logits of the ensemble, labels and patients.
    temperature, threshold : float
        Of the model so far.
    rule : str
        As given to `operating_point.choose_threshold`.
    fingerprint : str
        Of the data set.
    seed : int
        Of the folds and the bootstrap.

    Returns
    -------
    temperature : float
    point : OperatingPoint
        The threshold, with rates on the slices it was chosen on.
    recalibration : Recalibration

    Raises
    ------
    DatasetError
        There are too few patients of a class.
    """
    z = np.asarray(logits, np.float64)
    inputs = make_inputs(y_true, apply_temperature(z, temperature), groups)
    folds = _assign_folds(inputs, np.random.default_rng(seed))
    fitted = fit_temperature(z, inputs.y_true)
    point = operating_point.choose_threshold(
        inputs.y_true, apply_temperature(z, fitted), inputs.group_codes, rule, seed=seed
    )
    before = _measure(inputs.y_true, inputs.y_score, inputs.y_score >= threshold)
    probabilities, predicted = np.empty(len(z)), np.empty(len(z), bool)
    for fold in np.unique(folds):
        own, others = folds == fold, folds != fold
        inner = fit_temperature(z[others], inputs.y_true[others])
        chosen = operating_point.choose_threshold(
            inputs.y_true[others],
            apply_temperature(z[others], inner),
            inputs.group_codes[others],
            rule,
            n_resamples=0,
        )
        probabilities[own] = apply_temperature(z[own], inner)
        predicted[own] = probabilities[own] >= chosen.threshold
    return (
        fitted,
        point,
        Recalibration(
            fingerprint=fingerprint,
            slices=inputs.n_slices,
            groups=inputs.n_groups,
            fracture=inputs.n_positives,
            temperature_ci=_temperature_interval(z, inputs, seed),
            threshold_ci=point.ci.get("threshold"),
            before=before,
            after=_measure(inputs.y_true, probabilities, predicted),
        ),
    )


def _assign_folds(inputs: EvaluationInputs, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return the fold of each slice: patients are dealt out, those with a fracture first."""
    with_fracture = np.bincount(inputs.group_codes, inputs.y_true, inputs.n_groups) > 0
    without = np.bincount(inputs.group_codes, 1 - inputs.y_true, inputs.n_groups) > 0
    if with_fracture.sum() < LEAST_GROUPS or without.sum() < LEAST_GROUPS:
        raise DatasetError(
            f"Expected slices with a fracture of at least {LEAST_GROUPS} patients and slices "
            f"without one of at least {LEAST_GROUPS}, got {int(with_fracture.sum())} and "
            f"{int(without.sum())}: label slices of more patients."
        )
    order = np.lexsort((rng.permutation(inputs.n_groups), ~with_fracture))
    count = min(_FOLDS, int(min(with_fracture.sum(), without.sum())))
    fold_of = np.empty(inputs.n_groups, np.int64)
    fold_of[order] = np.arange(inputs.n_groups) % count
    return fold_of[inputs.group_codes]


def _measure(
    y_true: npt.NDArray[np.int64], probabilities: FloatArray, predicted: npt.NDArray[np.bool_]
) -> SiteMetrics:
    return SiteMetrics(
        log_loss=float(log_loss_per_slice(y_true, probabilities).mean()),
        sensitivity=float(predicted[y_true == 1].mean()),
        specificity=float(1 - predicted[y_true == 0].mean()),
    )


def _temperature_interval(z: FloatArray, inputs: EvaluationInputs, seed: int) -> Interval | None:
    """Return the interval of the temperature over draws of the patients."""
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(inputs.group_codes == code) for code in range(inputs.n_groups)]
    found = []
    for _ in range(_RESAMPLES):
        drawn = np.concatenate([rows[code] for code in rng.integers(len(rows), size=len(rows))])
        if 0 < inputs.y_true[drawn].sum() < len(drawn):
            found.append(fit_temperature(z[drawn], inputs.y_true[drawn]))
    return percentile_interval(np.array(found))
