"""Fit the reference of the input check to the training slices of a model.

What a slice's score is compared with are scores of slices of other patients than those the
reference was fitted to, and, where every fold has a backbone of its own, features that the network
has not learnt from: so a slice of a new patient is judged as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spinefrac.evaluation import deferral
from spinefrac.evaluation.deferral import Proportion
from spinefrac.evaluation.inputs import make_inputs
from spinefrac.imaging.noise import measure_noise
from spinefrac.store.input_reference import (
    QUANTILE_PERCENTS,
    Depth,
    FittedReference,
    FloatArray,
    InputReference,
    split_depths,
)

if TYPE_CHECKING:
    from spinefrac.records import GreyImage

#: Per cent of the held-out training slices that the limit for "unusual" leaves below.
_UNUSUAL_PERCENTILE = 99.0
#: From "unusual" to "unlike", in standard deviations of the training slices.
_UNLIKE_DISTANCE = 1.5

#: Slices that it is fitted on at most, spread evenly over all.
MAX_SLICES = 3000
_MAX_NEIGHBOURS = 1000
_COMPONENTS = 16
_PARTS = 5
#: Standardised features are cut there before the covariance: a slice far out must not hide itself.
_CUT = 6.0
#: Least spread of a feature, as a share of the mean of all: channels that are always zero.
_LEAST_SPREAD = 1e-3
#: Least spread of noise and grain, in logarithms: less than 5 % nobody would call another noise.
_LEAST_NOISE_SPREAD = 0.05


@dataclass(frozen=True)
class TrainingFeatures:
    """What the reference is fitted to; rows are training slices.

    Attributes
    ----------
    features : float array, shape (N, F)
    sizes : tuple of int
        Of the depths; their sum is F.
    inputs : uint8 array, shape (N, S, S)
    groups, labels, folds, probabilities : arrays, shape (N,)
        Of the same slices, as in `OutOfFoldPredictions`.
    is_shared : bool
        As in `exchange.ensemble.FeatureSource`.
    """

    features: npt.NDArray[np.floating]
    sizes: tuple[int, ...]
    inputs: GreyImage
    groups: npt.NDArray[np.str_]
    labels: npt.NDArray[np.int64]
    folds: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    is_shared: bool

    def assign_parts(self) -> npt.NDArray[np.int64]:
        """Return the part (N,) in which a slice is held out; -1 where it never is."""
        if not self.is_shared:
            return np.where(self.folds == 0, 0, -1)
        groups = np.unique(self.groups, return_inverse=True)[1]
        if groups.max() + 1 < 2 * _PARTS:  # the spread of so few says nothing of other patients
            groups = np.arange(len(groups))
        shuffled = np.random.default_rng(0).permutation(groups.max() + 1)
        return np.asarray(shuffled[groups] % _PARTS, np.int64)


def select_rows(count: int) -> npt.NDArray[np.int64]:
    """Return the rows of `count` slices that the reference is fitted on."""
    return np.unique(np.linspace(0, count - 1, min(count, MAX_SLICES)).round().astype(np.int64))


def fit_reference(training: TrainingFeatures) -> FittedReference:
    """Fit the reference.

    Parameters
    ----------
    training : TrainingFeatures
        Of at least two parts, see `TrainingFeatures.assign_parts`.
    """
    parts = training.assign_parts()
    known = parts < 0 if (parts < 0).any() else np.ones(len(parts), bool)
    by_depth = split_depths(training.features.astype(np.float64), training.sizes)
    logs = np.stack([_hold_out_distances(part, parts) for part in by_depth])  # (D, held out)
    measures = [measure_noise(pixels) for pixels in training.inputs]
    level, grain = (np.array([getattr(m, name) for m in measures]) for name in ("level", "grain"))
    held_out = parts >= 0
    noise = _mean_and_spread(level, _LEAST_NOISE_SPREAD)
    scale = [_mean_and_spread(log) for log in logs]
    standardized = [(log - m) / s for log, (m, s) in zip(logs, scale, strict=True)]
    scores = np.max([*standardized, (level[held_out] - noise[0]) / noise[1]], axis=0)
    limit = float(np.percentile(scores, _UNUSUAL_PERCENTILE))
    groups = training.groups
    false_alarms = _estimate_false_alarms(scores, groups[held_out])
    depths = tuple(_fit_depth(part[known]) for part in by_depth)
    rows = np.flatnonzero(known)
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _MAX_NEIGHBOURS)).astype(int)]
    projection = _fit_projection(depths[-1].standardize(by_depth[-1][known]))
    summary = InputReference(
        sizes=training.sizes,
        log_means=tuple(m for m, _ in scale),
        log_spreads=tuple(s for _, s in scale),
        noise=noise,
        grain=_mean_and_spread(grain, _LEAST_NOISE_SPREAD),
        quantiles=tuple(np.percentile(scores, QUANTILE_PERCENTS).round(5).tolist()),
        unusual_limit=round(limit, 5),
        unlike_limit=round(limit + _UNLIKE_DISTANCE, 5),
        false_alarm_rate=false_alarms.value,
        false_alarm_ci=false_alarms.interval,
        images=int(known.sum()),
        groups=len(np.unique(groups[known])),
        neighbours=len(rows),
        components=projection.shape[1],
    )
    coordinates = depths[-1].standardize(by_depth[-1][rows]) @ projection
    return FittedReference(summary, depths, projection, coordinates, _collect_facts(training, rows))


def _hold_out_distances(
    features: FloatArray, parts: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the log distance of every held-out slice from the slices of the other parts."""
    found = np.full(len(features), np.nan)
    for part in np.unique(parts[parts >= 0]):
        own = parts == part
        found[own] = _fit_depth(features[~own]).log_distance(features[own])
    return found[parts >= 0]


def _fit_depth(features: FloatArray) -> Depth:
    """Fit centre, scale and precision to features (N, F)."""
    from sklearn.covariance import ledoit_wolf

    center = np.median(features, axis=0)
    least = max(_LEAST_SPREAD * float(np.abs(features).mean()), 1e-6)
    scale = np.maximum(features.std(axis=0), least)
    z = np.clip((features - center) / scale, -_CUT, _CUT)
    covariance, _ = ledoit_wolf(z, assume_centered=True)
    # A set of equal slices has no spread at all: its covariance is still inverted.
    covariance = covariance + 1e-3 * np.eye(len(center))
    return Depth(center, scale, np.linalg.inv(covariance))


def _fit_projection(z: FloatArray) -> FloatArray:
    """Return the first principal directions of standardised features, scaled to spread 1."""
    _, spread, directions = np.linalg.svd(z, full_matrices=False)
    count = min(_COMPONENTS, int((spread > 1e-6 * max(float(spread[0]), 1e-12)).sum()))
    return np.asarray((directions[:count] / spread[:count, None]).T * np.sqrt(len(z)), np.float64)


def _mean_and_spread(values: npt.NDArray[np.float64], least: float = 1e-3) -> tuple[float, float]:
    return round(float(values.mean()), 6), round(max(float(values.std()), least), 6)


def _estimate_false_alarms(
    scores: npt.NDArray[np.float64], groups: npt.NDArray[np.str_]
) -> Proportion:
    """Return how many slices are above the limit that other patients' slices give."""
    codes = np.unique(groups, return_inverse=True)[1]
    parts = codes % min(_PARTS, codes.max() + 1)
    flags = np.zeros(len(scores), bool)
    for part in np.unique(parts):
        own = parts == part
        others = scores[~own] if not own.all() else scores
        flags[own] = scores[own] > np.percentile(others, _UNUSUAL_PERCENTILE)
    inputs = make_inputs(flags.astype(int), np.zeros(len(flags)), groups)
    return deferral.error_rate_among(inputs, np.ones(len(flags), bool), flags)


def _collect_facts(training: TrainingFeatures, rows: npt.NDArray[np.int64]) -> FloatArray:
    """Return patient's number from 1, label and out-of-fold probability (R, 3)."""
    patients = np.unique(training.groups, return_inverse=True)[1] + 1
    facts = np.column_stack([patients, training.labels, training.probabilities])
    return np.asarray(facts[rows], np.float64)
