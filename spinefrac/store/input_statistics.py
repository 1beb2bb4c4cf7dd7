"""Sixteen statistics of the training inputs of a model, for the input check.

Grey values, edges, texture and symmetry are described by their centre, scale and shrunk
correlation: a robust Mahalanobis distance is the distance of a slice from the training slices. The
card holds them; `spinefrac.inference.input_check` compares a slice with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from spinefrac.records import GreyImage
from spinefrac.system import reading

FloatArray = npt.NDArray[np.float64]

#: A slice is typical up to this percentile of the training slices' distances …
IN_DISTRIBUTION_PERCENTILE = 99.5

#: … or where its distance is at most so many times the distance at that percentile, as the
#: slices of a new patient are a little farther away than those the statistics were fitted to.
DISTANCE_TOLERANCE = 1.25

#: The statistics, in their order.
FEATURE_NAMES = (
    "mean",
    "spread",
    "black",
    "white",
    "p25",
    "p50",
    "p75",
    "p95",
    "flat",
    "entropy",
    "edges",
    "sharp",
    "coarse",
    "fine",
    "symmetry",
    "centre",
)

#: Weight of the identity in the shrunk correlation: features correlate, and a small data set
#: would otherwise claim directions without any variation.
_SHRINKAGE = 0.1

#: Least scale of each feature (all are of the order 0…1), against a data set of equal slices.
_MIN_SCALE = 0.01

_N_SPLITS = 5

#: Grey values as they are measured, 0…1, and the least of what is no air.
_LEVELS = np.arange(256) / 255.0
_LEAST_TISSUE = 8


@dataclass(frozen=True)
class InputCheckStatistics:
    """F statistics of N training inputs.

    Attributes
    ----------
    features : tuple of str
        Names of the F statistics.
    center, scale : tuple of float, length F
        Median, and median absolute deviation times 1.4826, of each.
    precision : tuple of tuples of float, (F, F)
        Inverse of the shrunk correlation of the standardized statistics.
    quantiles : tuple of float, length 201
        Distance at each half per cent of the training inputs, 0 to 100, each input against the
        others.
    images : int
        N.
    """

    features: tuple[str, ...]
    center: tuple[float, ...]
    scale: tuple[Annotated[float, Meta(gt=0.0)], ...]
    precision: tuple[tuple[float, ...], ...]
    quantiles: tuple[float, ...]
    images: Annotated[int, Meta(ge=1)]

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> InputCheckStatistics:
        """Rebuild from what `to_dict` gave, also after a way through JSON.

        Raises
        ------
        UnreadableContentError
            A part is missing, of another type or of another length.
        """
        return reading.convert(data, cls)

    def __post_init__(self) -> None:
        f = len(self.features)
        shapes = (len(self.center), len(self.scale), len(self.precision))
        if {*shapes, *map(len, self.precision)} != {f} or len(self.quantiles) not in (0, 201):
            raise ValueError(f"expected {f} statistics and 201 quantiles")

    @cached_property
    def _arrays(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        return np.array(self.center), np.array(self.scale), np.array(self.precision)

    @property
    def distance_limit(self) -> float:
        """Distance up to which a slice is typical."""
        return DISTANCE_TOLERANCE * float(
            np.interp(IN_DISTRIBUTION_PERCENTILE, _QUANTILE_PERCENTS, self.quantiles)
        )

    def standardize(self, features: FloatArray) -> FloatArray:
        """Return (…, F) statistics in units of the training inputs' spread."""
        center, scale, _ = self._arrays
        return (features - center) / scale

    def mahalanobis_distance(self, features: FloatArray) -> FloatArray:
        """Return the Mahalanobis distance, shape (…), of statistics (…, F)."""
        z = self.standardize(features)
        return np.sqrt(np.einsum("...i,ij,...j->...", z, self._arrays[2], z))

    def distance_percentile(self, distance: float) -> float:
        """Return the share of training inputs, 0…100, that lie nearer than `distance`."""
        return float(np.interp(distance, self.quantiles, _QUANTILE_PERCENTS))


_QUANTILE_PERCENTS = np.linspace(0.0, 100.0, 201)


def fit(inputs: GreyImage, groups: npt.ArrayLike | None = None) -> InputCheckStatistics:
    """Describe the training inputs.

    Each input's distance is measured against statistics of other groups' inputs, in five
    parts drawn with a fixed seed, so that the distances are those of slices not seen.

    Parameters
    ----------
    inputs : uint8 array, shape (N, S, S)
        All training inputs, N at least 1.
    groups : array-like, shape (N,), optional
        Patient of each. Without it, or with fewer than ten patients, whose spread says
        nothing of other patients, each input counts as one.

    Returns
    -------
    InputCheckStatistics
    """
    features = np.stack([extract_features(pixels) for pixels in inputs])  # (N, F)
    unique, members = np.unique(
        np.arange(len(inputs)) if groups is None else np.asarray(groups), return_inverse=True
    )
    if len(unique) < 2 * _N_SPLITS:
        unique = members = np.arange(len(inputs))
    parts = (np.random.default_rng(0).permutation(len(unique)) % _N_SPLITS)[members]
    distances = np.empty(len(features))
    for part in np.unique(parts):
        held_out = parts == part
        others = features[~held_out] if not held_out.all() else features
        distances[held_out] = _fit_statistics(others).mahalanobis_distance(features[held_out])
    quantiles = np.percentile(distances, _QUANTILE_PERCENTS)
    return _fit_statistics(features, tuple(_round_to_six_digits(quantiles)))


def extract_features(pixels: GreyImage) -> FloatArray:
    """Measure one input, uint8 of shape (S, S): the statistics `FEATURE_NAMES`, float64 (F,).

    All are of the order 0…1, so that one least scale fits them.
    """
    import cv2

    grey = pixels.astype(np.float32) / 255.0
    counts = cv2.calcHist([pixels], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    tissue = counts.copy()
    tissue[:_LEAST_TISSUE] = 0  # without air and padding
    if not tissue.any():
        tissue = counts
    mean = float(tissue @ _LEVELS / tissue.sum())
    spread = float(np.sqrt(tissue @ (_LEVELS - mean) ** 2 / tissue.sum()))
    histogram = counts.reshape(32, 8).sum(axis=1) / pixels.size
    filled = histogram[histogram > 0]
    gradient = cv2.magnitude(
        cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.25), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.25)
    )
    coarse = cv2.resize(grey, (8, 8), interpolation=cv2.INTER_AREA)
    middle = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA)
    variance = float(grey.var()) + 1e-6
    quarter = len(grey) // 4
    return np.array(
        [
            mean,
            spread,
            counts[:_LEAST_TISSUE].sum() / pixels.size,
            counts[248:].sum() / pixels.size,
            *_percentiles(tissue, (25, 50, 75, 95)),
            # The most frequent grey value apart from black: paper of a page, background of a chart.
            counts[_LEAST_TISSUE:].max() / pixels.size,
            -(filled * np.log2(filled)).sum() / 5.0,
            4.0 * gradient.mean(),
            (gradient > 0.15).mean(),
            coarse.var() / variance,
            1.0 - middle.var() / variance,
            _correlation(middle, middle[:, ::-1]),
            grey[quarter:-quarter, quarter:-quarter].mean() - grey.mean(),
        ],
        dtype=np.float64,
    )


def _percentiles(counts: npt.NDArray[np.int64], percents: Sequence[float]) -> FloatArray:
    """Return percentiles, 0…1, of grey values that occur `counts` (256,) times.

    Linear between the two nearest values, as `numpy.percentile`.
    """
    position = np.asarray(percents) / 100 * (counts.sum() - 1)
    lower = position.astype(np.int64)
    upto = np.cumsum(counts)
    upper = np.minimum(lower + 1, counts.sum() - 1)
    low, high = (_LEVELS[np.searchsorted(upto, rank, side="right")] for rank in (lower, upper))
    return low + (high - low) * (position - lower)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation of two images, 0 where one is flat."""
    spread = float(a.std() * b.std())
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 1e-6 else 0.0


def _fit_statistics(
    features: FloatArray, quantiles: tuple[float, ...] = ()
) -> InputCheckStatistics:
    """Fit centre, scale and shrunk precision to statistics (N, F)."""
    center = np.median(features, axis=0)
    deviation = 1.4826 * np.median(np.abs(features - center), axis=0)
    # A statistic that is mostly 0 has no median deviation; its plain one then.
    scale = np.maximum(np.maximum(deviation, 0.5 * features.std(axis=0)), _MIN_SCALE)
    z = (features - center) / scale
    # Slices far out must not widen the very ellipsoid that is to find them.
    z = np.clip(z, -5.0, 5.0)
    covariance = z.T @ z / len(z)
    shrunk = (1.0 - _SHRINKAGE) * covariance + _SHRINKAGE * np.eye(len(center))
    precision = np.linalg.inv(shrunk)
    return InputCheckStatistics(
        features=FEATURE_NAMES,
        center=_round_to_six_digits(center),
        scale=_round_to_six_digits(scale),
        precision=tuple(_round_to_six_digits(row) for row in (precision + precision.T) / 2),
        quantiles=quantiles,
        images=len(features),
    )


def _round_to_six_digits(values: FloatArray) -> tuple[float, ...]:
    """Round to six digits, which is enough for statistics and leaves the card readable."""
    return tuple(float(f"{value:.6g}") for value in values)
